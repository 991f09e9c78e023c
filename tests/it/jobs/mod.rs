mod mail;
mod queue;
mod sweep;
