//! The public documents, compared with an axum handler that answers nothing.

use crate::{
    Result,
    empty::Empty,
    http::Response,
    load::Load,
    rows::{Bench, rounds},
    table::{Figure, Limit},
};

pub async fn measure(bench: &Bench, path: &str) -> Result<Figure> {
    let empty = Empty::start()?;
    let nothing = empty.address.get("/", &[]);
    let mut empty_load = Load::open(&empty.address, &[empty.running.pid()?], &nothing).await?;
    let mut load = bench.load().await?;
    let document = bench.address().get(path, &[]);
    let empty_handler = async || empty_load.drive([nothing.clone()], bench.size.documents, is_empty).await;
    let handler = async || load.drive([document.clone()], bench.size.documents, is_json).await;
    let rounds = rounds(bench.size.rounds, empty_handler, handler).await?;
    Ok(Figure { unit: "µs", rounds, against: "empty handler", limit: Limit::Above(8.0) })
}

fn is_empty(response: &Response) -> bool {
    response.status == 200 && response.body.is_empty()
}

fn is_json(response: &Response) -> bool {
    response.status == 200 && response.body.starts_with(b"{")
}
