//! The request as an instance gets it, but for its body: the line, and what tells where the body ends. Pure.

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use hyper::body::Body;

/// Origin form and HTTP/1.1, whatever the client spoke; `headers` are those that [`build`] made.
///
/// [`build`]: super::upstream_headers::build
pub(crate) fn upstream_head(method: Method, uri: &Uri, headers: HeaderMap, body: &impl Body) -> Parts {
    let mut request = Request::new(());
    *request.method_mut() = method;
    let target = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    // hyper takes a GET or HEAD of unknown length for one without a body, unless it is told.
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(header::TRANSFER_ENCODING, chunked);
    } else {
        // They have no place behind any other body.
        request.headers_mut().remove(header::TRAILER);
    }
    request.into_parts().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
    use hyper::body::Frame;

    fn coding(body: &impl Body) -> Option<HeaderValue> {
        let parts = upstream_head(Method::GET, &Uri::from_static("/"), HeaderMap::new(), body);
        parts.headers.get(header::TRANSFER_ENCODING).cloned()
    }

    #[test]
    fn a_body_of_unknown_length_is_sent_in_chunks_whatever_the_method() {
        assert_eq!(coding(&Empty::<Bytes>::new()), None);
        assert_eq!(coding(&Full::new(Bytes::from_static(b"abc"))), None);
        let frames = [Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"abc")))];
        let streamed = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        assert_eq!(coding(&streamed).expect("a coding"), "chunked");
    }

    #[test]
    fn the_target_is_in_origin_form() {
        let target = |uri: &str| {
            let uri = uri.parse().expect("a target");
            upstream_head(Method::OPTIONS, &uri, HeaderMap::new(), &Empty::<Bytes>::new()).uri.to_string()
        };
        assert_eq!(target("/a?b"), "/a?b");
        assert_eq!(target("http://alice.localhost/a?b"), "/a?b");
        assert_eq!(target("http://alice.localhost"), "/");
        assert_eq!(target("*"), "*");
    }
}
