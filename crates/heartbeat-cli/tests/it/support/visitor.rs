//! A visitor of the pages: signs in by a link, opens pages and presses buttons.

use super::client::{Answer, Ask, open, send};
use super::server::Lines;

/// Somebody who is signed in.
pub(crate) struct Visitor {
    address: String,
    /// The cookie of the session.
    pub(crate) session: String,
}

impl Visitor {
    /// Signs in by a link that works once.
    pub(crate) async fn sign_in(address: &str, link: &str) -> Self {
        let (_, code) = link.split_once("code=").unwrap();
        let mut visitor = Self {
            address: address.to_owned(),
            session: String::new(),
        };
        let form = visitor.page(&format!("/login?code={code}")).await;
        visitor.session = cookie(&form);
        let entered = visitor
            .press(&form, "/login", &format!("code={code}"))
            .await;
        visitor.session = cookie(&entered);
        visitor
    }

    /// A page.
    pub(crate) async fn page(&self, path: &str) -> Answer {
        let headers = [("Cookie", self.session.as_str())];
        let ask = Ask {
            method: "GET",
            path,
            headers: &headers,
            body: b"",
        };
        send(&self.address, &ask).await.unwrap()
    }

    /// What a view that goes on shows, once it has begun.
    pub(crate) async fn follow(&self, path: &str) -> Lines {
        let headers = [("Cookie", self.session.as_str())];
        let ask = Ask {
            method: "GET",
            path,
            headers: &headers,
            body: b"",
        };
        let lines = Lines::of(open(&self.address, &ask).await.unwrap());
        let status = lines.wait_for("HTTP/1.1 ").await;
        assert!(status.contains(" 200 "), "{status}");
        lines
    }

    /// Sends a form of a page; it must lead somewhere else.
    pub(crate) async fn press(&self, page: &Answer, action: &str, fields: &str) -> Answer {
        let token = page.text.split("name=\"token\" value=\"").nth(1).unwrap();
        let token = token.split('"').next().unwrap();
        let (origin, body) = (
            format!("http://{}", self.address),
            format!("token={token}&{fields}"),
        );
        let headers = [
            ("Cookie", self.session.as_str()),
            ("Origin", origin.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let ask = Ask {
            method: "POST",
            path: action,
            headers: &headers,
            body: body.as_bytes(),
        };
        let answer = send(&self.address, &ask).await.unwrap();
        assert_eq!(answer.status, 303, "{answer:?}");
        answer
    }
}

fn cookie(answer: &Answer) -> String {
    let line = answer.header("set-cookie").unwrap();
    line.split(';').next().unwrap().to_owned()
}
