mod queue;
mod sweep;
