//! `/events`: server-sent events. A comment at once, so that a client knows it is connected, a heartbeat
//! after every quiet spell, and every order and payment.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::Shop;

pub(super) async fn events(State(shop): State<Shop>) -> Response {
    let greeting = stream::once(async { Ok::<_, Infallible>(Event::default().comment("connected")) });
    let happenings = stream::unfold(shop.events.listen(), |mut listener| async {
        let event = listener.next().await?;
        let event = Event::default().event(event.kind).data(event.data.to_string());
        Some((Ok(event), listener))
    });
    let heartbeat = KeepAlive::new().interval(shop.heartbeat).text("heartbeat");
    let stream = Sse::new(greeting.chain(happenings)).keep_alive(heartbeat);
    ([(header::CACHE_CONTROL, "no-store")], stream).into_response()
}
