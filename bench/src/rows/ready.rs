//! From the start of the process to the first 200 of `/readyz`, on a database that exists.

use crate::{
    Result,
    rows::Bench,
    table::{Figure, Limit},
};

pub async fn measure(bench: &mut Bench) -> Result<Figure> {
    let mut times = Vec::new();
    for _ in 0..bench.size.starts {
        bench.server.stop()?;
        times.push(bench.server.start().await?.as_secs_f64() * 1e3);
    }
    Ok(Figure::alone("ms", times, Limit::AtMost(80.0)))
}
