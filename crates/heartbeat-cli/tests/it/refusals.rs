//! What a key of a hosted plan cannot do, whatever it asks: start a program, open a file of this
//! machine, or reach an address that is not public. What was not done is counted, not believed.

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::api::Api;
use crate::support::client::Answer;
use crate::support::home::Home;
use crate::support::wait::beside;

/// A listener that counts who connects, and may answer everybody with a redirect.
struct Counter {
    port: u16,
    count: Arc<AtomicUsize>,
}

impl Counter {
    async fn start(host: &str, redirect: Option<String>) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        beside(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                if let Some(to) = &redirect {
                    let answer = format!(
                        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\n\
                         Content-Length: 0\r\nConnection: close\r\n\r\n"
                    );
                    let mut buffer = [0; 4096];
                    let _read = stream
                        .readable()
                        .await
                        .and_then(|()| stream.try_read(&mut buffer));
                    let _sent = stream
                        .writable()
                        .await
                        .and_then(|()| stream.try_write(answer.as_bytes()));
                }
            }
        });
        Self { port, count }
    }

    fn connections(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// A file whose last reading is known.
struct Watched {
    path: PathBuf,
    read_at: SystemTime,
}

impl Watched {
    fn new(path: PathBuf) -> Self {
        std::fs::write(&path, "canary-in-a-cage").unwrap();
        // Older than its content, so that the next reading is noted on every usual file system.
        let read_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_times(FileTimes::new().set_accessed(read_at))
            .unwrap();
        Self { path, read_at }
    }

    #[track_caller]
    fn was_not_opened(&self) {
        let read_at = |path: &Path| std::fs::metadata(path).unwrap().accessed().unwrap();
        assert_eq!(read_at(&self.path), self.read_at, "it was read");
        std::fs::read(&self.path).unwrap();
        assert_ne!(
            read_at(&self.path),
            self.read_at,
            "this file system does not note who reads; mount the temporary directory with relatime \
             (or set TMPDIR to a directory that has it)"
        );
    }
}

/// A server with a project on a hosted plan and one on this machine's own, and everything that
/// neither may touch.
struct World {
    api: Api,
    bot: String,
    own: (String, String),
    marker: PathBuf,
    secret: Watched,
    roots: PathBuf,
    private: Counter,
    redirecting: Counter,
    home: Home,
}

impl World {
    async fn new() -> Self {
        let home = Home::new();
        let marker = home.path("started");
        let roots = home.path("roots");
        std::fs::create_dir(&roots).unwrap();
        let secret = Watched::new(home.path("secret.txt"));
        std::os::unix::fs::symlink(&secret.path, roots.join("link.txt")).unwrap();
        let private = Counter::start("127.0.0.1", None).await;
        let to = format!("http://127.0.0.1:{}/mcp", private.port);
        let redirecting = Counter::start("127.0.0.2", Some(to)).await;
        let settings = format!(
            "[mcp.marker]\ncommand = \"touch\"\nargs = [{marker:?}]\n\n\
             [watch]\nlocal_roots = [{roots:?}]\n\n\
             [[plan]]\nname = \"pro\"\nallow_networks = [\"127.0.0.2/32\"]\n"
        );
        let file = home.path("heartbeat.toml");
        std::fs::write(&file, settings).unwrap();
        let home = home.with("HEARTBEAT_CONFIG", file.to_str().unwrap());
        let (project, key) = home.project("hosted", "pro").await;
        let own = home.project("own", "self_hosted").await;
        let api = Api::new(home.serve(&[]).await, &project, &key);
        let bot = api.bot("Watcher", "openai/x").await;
        Self {
            api,
            bot,
            own,
            marker,
            secret,
            roots,
            private,
            redirecting,
            home,
        }
    }

    /// Goes on with the project that has local access.
    async fn become_own(&mut self) {
        (self.api.project_id, self.api.key) = self.own.clone();
        self.bot = self.api.bot("Watcher", "openai/x").await;
    }

    async fn add(&self, fields: Value) -> Answer {
        let mut body = json!({ "bot_id": self.bot, "server_label": "Desk", "transport": "http" });
        let fields = fields.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        self.api.post("/v1/bot/tool", body).await
    }

    async fn watch(&self, tool: &str, arguments: Value) -> Answer {
        let fields = json!({
            "bot_id": self.bot, "prompt": "look", "interval_minutes": 60,
            "watch": { "tool": tool, "arguments": arguments, "condition": "changed" }
        });
        self.api.post("/v1/bot/heartbeat/configure", fields).await
    }

    /// URLs that no hosted plan may reach.
    fn closed(&self) -> Vec<String> {
        let port = self.private.port;
        let hosts = [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[64:ff9b::7f00:1]",
            "224.0.0.1",
        ];
        let urls = hosts.iter().map(|host| format!("http://{host}:{port}/mcp"));
        let odd = [
            "file:///etc/passwd",
            "/etc/passwd",
            "../../etc/passwd",
            "stdio:///bin/sh",
        ];
        urls.chain(odd.map(str::to_owned)).collect()
    }

    /// No process was started, no file opened, no connection made.
    #[track_caller]
    fn nothing_happened(&self) {
        assert!(!self.marker.exists(), "the declared program was started");
        assert_eq!(self.private.connections(), 0, "somebody connected");
        self.secret.was_not_opened();
    }
}

#[track_caller]
fn refused(answer: &Answer, what: &str) -> Value {
    assert!(matches!(answer.status, 400 | 403), "{what}: {answer:?}");
    let body = answer.json();
    assert_eq!(body["success"], false, "{what}");
    assert_eq!(body["error"]["status"], answer.status, "{what}");
    assert!(!answer.text.contains("canary"), "{what}");
    body
}

#[tokio::test]
async fn a_hosted_key_starts_no_program_opens_no_file_and_reaches_nothing_private() {
    let world = World::new().await;
    for url in world.closed() {
        let answer = world.add(json!({ "server_url": url })).await;
        refused(&answer, &url);
        let answer = world.watch("http_get", json!({ "url": url })).await;
        refused(&answer, &url);
    }
    let localhost = format!("http://localhost:{}/mcp", world.private.port);
    let answer = world.add(json!({ "server_url": localhost })).await;
    assert_eq!(
        refused(&answer, "a private name")["code"],
        "ADDRESS_REFUSED"
    );
    let declared = json!({ "transport": "declared", "server_name": "marker" });
    let answer = world.add(declared).await;
    assert_eq!(refused(&answer, "declared")["code"], "LOCAL_ACCESS_OFF");
    let url = json!("https://tools.example.org/mcp");
    for (field, value) in [
        ("command", json!("touch")),
        ("args", json!([world.marker])),
        ("env", json!({ "A": "b" })),
        ("cwd", json!("/")),
        ("path", json!(world.secret.path)),
        ("transport", json!("stdio")),
        ("transport", json!("sse")),
    ] {
        let mut fields = json!({ "server_url": url });
        fields[field] = value;
        let body = refused(&world.add(fields).await, field);
        assert_eq!(body["field"], field);
    }
    let secret = world.secret.path.to_str().unwrap();
    let up = world.roots.join("../secret.txt");
    let link = world.roots.join("link.txt");
    for path in [
        secret,
        "/etc/passwd",
        up.to_str().unwrap(),
        link.to_str().unwrap(),
    ] {
        let answer = world.watch("file", json!({ "path": path })).await;
        assert_eq!(refused(&answer, path)["code"], "LOCAL_ACCESS_OFF");
    }
    let answer = world.watch("host_status", json!({})).await;
    assert_eq!(refused(&answer, "host_status")["code"], "LOCAL_ACCESS_OFF");
    let query = format!("bot_id={}", world.bot);
    let kept = world.api.get("/v1/bot/tool", &query).await.ok();
    assert_eq!(kept["pagination"]["total"], 0, "{kept}");
    world.nothing_happened();
}

#[tokio::test]
async fn neither_a_redirect_nor_a_change_leads_to_a_private_address() {
    let world = World::new().await;
    let url = format!("http://127.0.0.2:{}/mcp", world.redirecting.port);
    let made = world.add(json!({ "server_url": url })).await;
    assert!(
        world.redirecting.connections() > 0,
        "it was asked: {made:?}"
    );
    assert!(matches!(made.status, 200 | 403), "{made:?}");
    if made.status == 200 {
        let tool = &made.json()["tool"];
        assert!(tool["trouble"].is_string(), "{tool}");
        let path = format!("/v1/bot/tool/{}", tool["id"].as_str().unwrap());
        let mut urls = world.closed();
        urls.push(format!("http://localhost:{}/mcp", world.private.port));
        for url in urls {
            let fields = json!({ "bot_id": world.bot, "server_url": url });
            let answer = world.api.write("PUT", &path, fields).await;
            refused(&answer, &url);
        }
        let fields = json!({
            "bot_id": world.bot, "transport": "declared", "server_name": "marker"
        });
        let answer = world.api.write("PUT", &path, fields).await;
        assert_eq!(refused(&answer, "declared")["code"], "LOCAL_ACCESS_OFF");
        let query = format!("bot_id={}", world.bot);
        let kept = world.api.get(&path, &query).await.ok();
        assert_eq!(kept["tool"]["server_url"], tool["server_url"]);
    }
    let watched = world.watch("http_get", json!({ "url": url })).await.ok();
    let result = world.api.trigger(&watched["heartbeat"]).await;
    assert_eq!(result["status"], "error", "{result}");
    let localhost = format!("http://localhost:{}/", world.private.port);
    let watched = world.watch("http_get", json!({ "url": localhost })).await;
    if watched.status == 200 {
        let result = world.api.trigger(&watched.json()["heartbeat"]).await;
        assert_eq!(result["status"], "error", "{result}");
    }
    world.nothing_happened();
}

#[tokio::test]
async fn on_this_machines_own_plan_files_stay_below_their_roots() {
    let mut world = World::new().await;
    world.become_own().await;
    let secret = world.secret.path.to_str().unwrap();
    let up = world.roots.join("../secret.txt");
    let link = world.roots.join("link.txt");
    for path in [
        secret,
        "/etc/passwd",
        up.to_str().unwrap(),
        link.to_str().unwrap(),
        "x",
    ] {
        let answer = world.watch("file", json!({ "path": path })).await;
        assert_eq!(refused(&answer, path)["field"], "watch.arguments");
    }
    let metadata = "http://169.254.169.254/latest/meta-data/";
    let answer = world.add(json!({ "server_url": metadata })).await;
    assert_eq!(refused(&answer, metadata)["code"], "ADDRESS_REFUSED");
    let answer = world.watch("http_get", json!({ "url": metadata })).await;
    refused(&answer, metadata);
    let undeclared = json!({ "transport": "declared", "server_name": "touch" });
    let answer = world.add(undeclared).await;
    assert_eq!(refused(&answer, "undeclared")["field"], "server_name");
    world.nothing_happened();
}

#[tokio::test]
async fn the_command_line_refuses_for_a_hosted_project_what_the_api_refuses() {
    let world = World::new().await;
    let home = &world.home;
    let private = format!("http://127.0.0.1:{}/mcp", world.private.port);
    for (place, code, word) in [
        (["--url", private.as_str()], 4, "127.0.0.1"),
        (["--url", "file:///etc/passwd"], 2, "server_url"),
        (["--url", "/etc/passwd"], 2, "server_url"),
        (["--declared", "marker"], 4, "local access"),
        (["--declared", "/bin/sh"], 2, "server_name"),
    ] {
        let [flag, value] = place;
        let args = ["tool", "add", "Desk", flag, value, "--project", "hosted"];
        let ran = home.run(&args).await;
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stderr.contains(word), "{ran:?}");
    }
    world.nothing_happened();
}
