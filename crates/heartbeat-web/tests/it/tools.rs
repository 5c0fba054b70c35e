//! The tools page of an agent.

use axum::http::StatusCode;
use heartbeat_domain::tool::{Permission, Repeat, ToolServer};
use heartbeat_store::verbs::Page;
use heartbeat_testkit::scripted_hands::tool;

use crate::world::World;

const CANARY: &str = "canary-in-a-cage";

/// A signed-in visitor of the tools of one agent.
struct Visit {
    world: World,
    cookie: String,
    bot: heartbeat_domain::bot::Bot,
    path: String,
    token: String,
}

impl Visit {
    async fn new() -> Self {
        let world = World::new().await;
        let cookie = world.sign_in().await;
        let bot = world.bot("Watcher", "demo").await;
        let path = format!("/agents/{}/tools", bot.number);
        let token = world.get(&path, &cookie).await.token();
        world
            .hands
            .list_of(vec![tool("read", "Reads <b>."), tool("send", "Sends.")]);
        Self {
            world,
            cookie,
            bot,
            path,
            token,
        }
    }

    async fn page(&self) -> String {
        self.world.get(&self.path, &self.cookie).await.text
    }

    async fn post(&self, end: &str, fields: &str) -> crate::world::Page {
        let form = format!("token={}&back={}&{fields}", self.token, self.path);
        let path = format!("{}{end}", self.path);
        self.world.post(&path, &self.cookie, &form).await
    }

    async fn add(&self) -> ToolServer {
        let fields = "server_label=Desk&server_url=https%3A%2F%2Fdesk.example%2Fmcp&\
                      require_approval=never&headers=Authorization%3A+Bearer+canary-in-a-cage";
        let answer = self.post("", fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        assert_eq!(answer.location(), self.path);
        self.server().await
    }

    async fn server(&self) -> ToolServer {
        let page = Page { number: 1, size: 9 };
        let (project, bot) = (self.bot.project_id, self.bot.id);
        let listed = self.world.store.tool_servers(project, bot, page).await;
        listed.unwrap().rows.remove(0)
    }
}

#[tokio::test]
async fn a_server_is_added_and_shown_without_its_secrets() {
    let visit = Visit::new().await;
    assert!(visit.page().await.contains("no tool server yet"));
    let server = visit.add().await;
    let sent = visit.world.hands.asked()[0].headers.clone();
    assert_eq!(sent[0].1, format!("Bearer {CANARY}"));
    let page = visit.page().await;
    for word in [
        "Desk",
        "Authorization",
        "mark-active",
        "2 of 2",
        "Reads &#60;b&#62;.",
    ] {
        assert!(page.contains(word), "{word} is missing: {page}");
    }
    assert!(!page.contains(CANARY), "{page}");
    assert!(server.trouble.is_none());
    let path = format!("/agents/{}", visit.bot.number);
    let agent = visit.world.get(&path, &visit.cookie).await.text;
    assert!(agent.contains("1 server"), "{agent}");
}

#[tokio::test]
async fn a_tool_is_decided_by_its_form() {
    let visit = Visit::new().await;
    let server = visit.add().await;
    let at = format!("/{}/decide", server.id);
    let answer = visit
        .post(&at, "tool_name=send&permission=off&repeat=by_effect_id")
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let send = visit.server().await.tools.remove(1);
    assert_eq!(
        (send.permission, send.repeat),
        (Permission::Off, Some(Repeat::ByEffectId))
    );
    visit
        .post(&at, "tool_name=send&permission=allowed&repeat=default")
        .await;
    let send = visit.server().await.tools.remove(1);
    assert_eq!((send.permission, send.repeat), (Permission::Allowed, None));
    let wrong = visit.post(&at, "tool_name=gone&permission=off").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text.contains("gone"), "{}", wrong.text);
}

#[tokio::test]
async fn trouble_is_shown_and_ends_with_the_next_list() {
    let visit = Visit::new().await;
    let server = visit.add().await;
    visit
        .world
        .hands
        .fail("TOOL_SERVER_UNREACHABLE", "nobody answers");
    let tested = visit.post(&format!("/{}/test", server.id), "").await;
    let place = tested.location().split('#').next().unwrap().to_owned();
    let page = visit.world.get(&place, &visit.cookie).await.text;
    assert!(
        page.contains("nobody answers") && page.contains("did not answer"),
        "{page}"
    );
    visit.world.hands.list_of(vec![tool("read", "Reads more.")]);
    visit.post(&format!("/{}/refresh", server.id), "").await;
    let page = visit.world.get(&place, &visit.cookie).await.text;
    assert!(!page.contains("nobody answers"), "{page}");
    assert!(page.contains("It changed since you looked"), "{page}");
}

#[tokio::test]
async fn a_server_is_disabled_enabled_changed_and_removed() {
    let visit = Visit::new().await;
    let server = visit.add().await;
    let at = |deed: &str| format!("/{}/{deed}", server.id);
    visit.post(&at("disable"), "").await;
    assert!(!visit.server().await.is_enabled);
    assert!(visit.page().await.contains("disabled"));
    visit.post(&at("enable"), "").await;
    assert!(visit.server().await.is_enabled);
    let same = "server_url=https%3A%2F%2Fdesk.example%2Fmcp";
    visit
        .post(
            &at("change"),
            &format!("server_label=Front+desk&{same}&trusted=1"),
        )
        .await;
    let changed = visit.server().await;
    assert_eq!(
        (changed.label.as_str(), changed.trusted),
        ("Front desk", true)
    );
    assert_eq!(changed.header_names, ["Authorization"]);
    let elsewhere = "server_label=x&server_url=https%3A%2F%2Fthief.example";
    let refused = visit.post(&at("change"), elsewhere).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("headers"), "{}", refused.text);
    let none = format!("{elsewhere}&no_headers=1");
    visit.post(&at("change"), &none).await;
    assert!(visit.server().await.header_names.is_empty());
    visit.post(&at("remove"), "").await;
    assert!(visit.page().await.contains("no tool server yet"));
    let gone = visit.post(&at("remove"), "").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_form_without_its_token_or_of_another_project_changes_nothing() {
    let visit = Visit::new().await;
    let server = visit.add().await;
    let asked = visit.world.hands.asked().len();
    let path = format!("{}/{}/remove", visit.path, server.id);
    let refused = visit.world.post(&path, &visit.cookie, "token=wrong").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let other = visit.world.control.create_project("other", "pro").await;
    let other = other.unwrap().project;
    let code = visit.world.control.create_sign_in(other.id).await.unwrap();
    let form = visit.world.get("/login", "").await;
    let fields = format!("code={code}&token={}", form.token());
    let login = visit.world.post("/login", &form.cookies(), &fields).await;
    let theirs = login.cookies();
    let token = visit.world.get("/", &theirs).await.token();
    for deed in ["remove", "test", "refresh", "disable", "change", "decide"] {
        let path = format!("{}/{}/{deed}", visit.path, server.id);
        let form = format!("token={token}&tool_name=read&permission=off");
        let refused = visit.world.post(&path, &theirs, &form).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{deed}");
    }
    let page = visit.world.get(&visit.path, &theirs).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert_eq!(visit.server().await, server);
    assert_eq!(visit.world.hands.asked().len(), asked);
}

#[tokio::test]
async fn no_form_names_a_program_or_a_file() {
    let visit = Visit::new().await;
    for (fields, word) in [
        (
            "server_label=x&server_url=file%3A%2F%2F%2Fetc%2Fpasswd",
            "server_url",
        ),
        ("server_label=x&server_url=%2Fetc%2Fpasswd", "server_url"),
        ("server_label=x&server_name=%2Fbin%2Fsh", "server_name"),
        ("server_label=x&server_name=..%2Fgit", "server_name"),
        ("server_label=x&command=sh&args=-c", "server_url"),
        (
            "server_label=x&server_url=https%3A%2F%2Frefused.example",
            "may not be reached",
        ),
    ] {
        let refused = visit.post("", fields).await;
        let status = refused.status.as_u16();
        assert!(status == 400 || status == 403, "{fields}: {status}");
        assert!(refused.text.contains(word), "{fields}: {}", refused.text);
    }
    assert!(visit.world.hands.asked().is_empty());
}

#[tokio::test]
async fn web_hosts_are_listed_and_the_list_taken_away_on_the_page() {
    let visit = Visit::new().await;
    assert!(visit.page().await.contains("No list: pages and watches"));
    let path = format!("/agents/{}/web-hosts", visit.bot.number);
    let post = async |fields: &str| {
        let form = format!("token={}&back={}&{fields}", visit.token, visit.path);
        visit.world.post(&path, &visit.cookie, &form).await
    };
    let hosts = async || {
        let bot = heartbeat_store::verbs::BotRef::Id(visit.bot.id);
        let read = visit.world.store.bot(visit.bot.project_id, bot).await;
        read.unwrap().web_hosts
    };
    let saved = post("web_hosts=docs.example.org%0D%0A%0D%0Aapi.example%3A8443").await;
    assert_eq!(saved.location(), visit.path);
    let listed = vec!["docs.example.org".to_owned(), "api.example:8443".to_owned()];
    assert_eq!(hosts().await, Some(listed.clone()));
    let page = visit.page().await;
    assert!(
        page.contains("api.example:8443") && page.contains("these hosts only"),
        "{page}"
    );
    let refused = post("web_hosts=https%3A%2F%2Fdocs.example.org").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("is no host"), "{}", refused.text);
    assert_eq!(hosts().await, Some(listed));
    post("web_hosts=").await;
    assert_eq!(hosts().await, Some(Vec::new()));
    assert!(visit.page().await.contains("No page is fetched"));
    post("any=1&web_hosts=left.example").await;
    assert_eq!(hosts().await, None);
}
