//! A database that many people know, compared with one that hardly anybody does.

use crate::{
    Result, cpu,
    crowd::Crowd,
    http::Response,
    load::CONNECTIONS,
    rows::{
        Bench,
        person::{Person, authorize},
        protected::{names_the_person, userinfo_requests},
        refresh::Chains,
        rounds,
    },
    table::{Figure, Limit},
};

/// What a lookup may cost among many.
const LIMIT: Limit = Limit::Times(1.2);
const AGAINST: &str = "hardly anybody";

/// Reads an account, and whether anything of it was revoked.
pub async fn userinfo(bench: &mut Bench) -> Result<Figure> {
    bench.gather().await?;
    let (crowd, size) = (bench.crowd()?, bench.size);
    let (few, many) = (userinfo_requests(&bench.site()).await?, userinfo_requests(&crowd.site).await?);
    let (mut few_load, mut many_load) = (bench.load().await?, crowd.load().await?);
    let among_few = async || few_load.drive(few.clone(), size.tokens * 2, names_the_person).await;
    let among_many = async || many_load.drive(many.clone(), size.tokens * 2, names_the_person).await;
    let rounds = rounds(size.rounds, among_few, among_many).await?;
    Ok(Figure { unit: "µs", rounds, against: AGAINST, limit: LIMIT })
}

/// Finds sessions by their cookies and whose they are, each request another one; compared with one person over and over.
pub async fn sessions(bench: &mut Bench) -> Result<Figure> {
    each_another(bench, "/", is_greeted, LIMIT).await
}

/// The same, and writes a code for each: what the database spends on tables of a million rows is in it.
pub async fn codes(bench: &mut Bench) -> Result<Figure> {
    each_another(bench, &authorize(""), is_code, Limit::None).await
}

async fn each_another(bench: &mut Bench, path: &str, right: fn(&Response) -> bool, limit: Limit) -> Result<Figure> {
    bench.gather().await?;
    let (crowd, size) = (bench.crowd()?, bench.size);
    let one = Person::sign_in(&bench.site()).await?.request_for(path);
    let request = |cookie: &String| crowd.site.address.get(path, &["Accept: text/html", &Crowd::cookie_line(cookie)]);
    let all: Vec<_> = crowd.cookies.iter().map(request).collect();
    let (mut few_load, mut many_load) = (bench.load().await?, crowd.load().await?);
    let among_few = async || few_load.drive([one.clone()], size.tokens, right).await;
    let mut next = all.chunks(size.tokens).cycle();
    let among_many = async || many_load.drive(next.next().unwrap_or_default(), size.tokens, right).await;
    let rounds = rounds(size.rounds, among_few, among_many).await?;
    Ok(Figure { unit: "µs", rounds, against: "one session", limit })
}

/// Uses refresh tokens.
pub async fn refresh(bench: &mut Bench) -> Result<Figure> {
    bench.gather().await?;
    let (crowd, size) = (bench.crowd()?, bench.size);
    let mut few = Chains::begin(bench.site(), bench.load().await?).await?;
    let mut many = Chains::begin(crowd.site.clone(), crowd.load().await?).await?;
    let steps = size.codes / CONNECTIONS;
    let rounds = rounds(size.rounds, async || few.use_each(steps).await, async || many.use_each(steps).await).await?;
    Ok(Figure { unit: "µs", rounds, against: AGAINST, limit: LIMIT })
}

/// What the server holds in RAM while so many refresh tokens are live, after it was used.
pub async fn memory(bench: &mut Bench) -> Result<Figure> {
    bench.gather().await?;
    let crowd = bench.crowd()?;
    let mut chains = Chains::begin(crowd.site.clone(), crowd.load().await?).await?;
    chains.use_each(bench.size.codes).await?;
    Ok(Figure::alone("MiB", [cpu::resident_mib(&[crowd.process()?])?], Limit::AtMost(60.0)))
}

fn is_greeted(response: &Response) -> bool {
    response.status == 200 && response.text().contains("Signed in as")
}

fn is_code(response: &Response) -> bool {
    response.location().is_some_and(|location| location.contains("code="))
}
