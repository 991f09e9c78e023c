//! `/assets/…`.

use crate::harness::Server;

/// The addresses of ours that a page loads.
fn loaded(html: &str) -> Vec<String> {
    let links = html.split("\"/assets/").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mut paths: Vec<_> = links.map(|name| format!("/assets/{name}")).collect();
    paths.sort();
    paths.dedup();
    paths
}

#[tokio::test]
async fn pages_load_their_style_and_icon_from_addresses_that_change_with_the_content() {
    let server = Server::start().await;
    let paths = loaded(&server.get("/").await.text());
    assert_eq!(paths.len(), 2, "{paths:?}");
    for path in paths {
        let reply = server.get(&path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("cache-control"), Some("public, max-age=31536000, immutable"));
        let expected = if path.contains(".css") { "text/css; charset=utf-8" } else { "image/svg+xml" };
        assert_eq!(reply.header("content-type"), Some(expected));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        // Of another version: better ours than none, but not for ever.
        let (stem, _) = path.rsplit_once('-').unwrap();
        let extension = path.rsplit_once('.').unwrap().1;
        let other = server.get(&format!("{stem}-0123456789abcdef.{extension}")).await;
        assert_eq!((other.status, other.header("cache-control")), (200, Some("no-store")));
    }
    server.get("/assets/none.css").await.assert_page(404);
}
