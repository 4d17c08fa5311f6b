//! `WebSockets` through the router.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use control_api::authz::Revoked;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::instances::listen;
use crate::world::{World, eventually};

/// An instance that says every message back and keeps the heads of its handshakes.
pub(crate) async fn echo_server() -> (std::net::SocketAddrV4, Arc<Mutex<Vec<http::HeaderMap>>>) {
    let (listener, address) = listen().await;
    let heads: Arc<Mutex<Vec<http::HeaderMap>>> = Arc::default();
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                #[expect(clippy::result_large_err, reason = "tungstenite's callback")]
                let callback = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
                    seen.lock().unwrap().push(request.headers().clone());
                    Ok(response)
                };
                let Ok(mut socket) = accept_hdr_async(stream, callback).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() || message.is_binary() {
                        let _ = socket.send(message).await;
                    }
                }
            });
        }
    });
    (address, heads)
}

pub(crate) async fn connect(
    world: &World,
    headers: &[(&'static str, &str)],
) -> Result<WebSocketStream<TcpStream>, u16> {
    let mut request =
        format!("ws://{}/socket?x=1", world.host("alice")).into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    let stream = TcpStream::connect(world.router).await.expect("a connection");
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("no answer: {other}"),
    }
}

#[tokio::test]
async fn messages_go_both_ways_and_only_our_own_origin_may_ask() {
    let world = World::start().await;
    let (address, heads) = echo_server().await;
    world.put_route(&world.alice_route(address)).await;
    let (cookie, origin) = (world.alice_cookie(), world.origin("alice"));
    assert_eq!(connect(&world, &[("origin", &origin)]).await.err(), Some(401), "no session");
    let foreign = format!("http://bob.localhost:{}", world.router.port());
    assert_eq!(connect(&world, &[("cookie", &cookie), ("origin", &foreign)]).await.err(), Some(403));
    assert_eq!(connect(&world, &[("cookie", &cookie)]).await.err(), Some(403), "no origin at all");
    assert!(heads.lock().unwrap().is_empty(), "none of that reached the instance");

    let mut socket =
        connect(&world, &[("cookie", &cookie), ("origin", &origin), ("x-beaver-username", "root")])
            .await
            .expect("open");
    for size in [1, 1000, 200_000] {
        let text = "x".repeat(size);
        socket.send(Message::text(text.clone())).await.expect("sent");
        assert_eq!(socket.next().await.expect("a message").expect("whole").into_text().expect("text"), text);
    }
    assert!(world.metrics().await.contains("beaver_router_active_tunnels 1"));
    {
        let heads = heads.lock().unwrap();
        assert_eq!(heads[0]["x-beaver-username"], "alice");
        assert_eq!(heads[0].get_all("x-beaver-username").iter().count(), 1);
        assert!(heads[0].contains_key("x-beaver-assertion") && !heads[0].contains_key("cookie"));
    }
    let active = || {
        let reports = world.deploy.state.reports.lock().unwrap();
        reports.iter().flat_map(|r| &r.routes).any(|r| r.active_connections == 1)
    };
    eventually("the tunnel is reported as use", || async { active() }).await;
    socket.close(None).await.expect("closed");
    eventually("the tunnel is gone", || async {
        world.metrics().await.contains("beaver_router_active_tunnels 0")
    })
    .await;
}

pub(crate) async fn is_closed_soon(socket: &mut WebSocketStream<TcpStream>) -> bool {
    let end = tokio::time::timeout(Duration::from_secs(2), socket.next()).await;
    matches!(end, Ok(None | Some(Err(_))))
}

#[tokio::test]
async fn a_revocation_a_new_generation_and_a_stop_each_close_the_tunnel() {
    let world = World::start().await;
    let (address, _) = echo_server().await;
    world.put_route(&world.alice_route(address)).await;
    let origin = world.origin("alice");
    let person = crate::fake_authz::Person { sid: control_api::ids::SessionId::generate(), ..world.alice };
    let revoked = format!("beaver_app={}", world.authz.app_token(person, world.instance));
    let cookie = world.alice_cookie();
    let mut one = connect(&world, &[("cookie", &revoked), ("origin", &origin)]).await.expect("open");
    let mut two = connect(&world, &[("cookie", &cookie), ("origin", &origin)]).await.expect("open");
    world.authz.revoke(Revoked::Session(person.sid));
    assert!(is_closed_soon(&mut one).await);
    two.send(Message::text("still")).await.expect("sent");
    assert_eq!(two.next().await.expect("a message").expect("whole").into_text().expect("text"), "still");

    let mut next = world.alice_route(address);
    next["generation"] = 2.into();
    world.write_route("alice", &next.to_string());
    assert!(is_closed_soon(&mut two).await);

    let mut three = connect(&world, &[("cookie", &cookie), ("origin", &origin)]).await.expect("open");
    world.ask_to_stop();
    let told = three.next().await.expect("a message").expect("whole");
    assert!(matches!(&told, Message::Close(Some(frame)) if frame.code == CloseCode::Restart), "{told:?}");
    assert!(is_closed_soon(&mut three).await);
    assert!(world.stop().await);
}
