mod backchannel_logout;
mod mail;
mod queue;
mod sweep;
