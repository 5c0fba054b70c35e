//! What is shown of the future is what happens.

use heartbeat_testkit::model_server::{ModelServer, Reply};
use serde_json::json;

use crate::support::api::{covered, texts};
use crate::support::home::Home;
use crate::support::wait::until;

#[tokio::test]
async fn the_server_fires_at_exactly_the_moments_that_next_prints() {
    let model = ModelServer::answering(|_| Reply::say("HEARTBEAT_OK")).await;
    let home = Home::new().with_openai(&model).with_clock(30);
    let api = home.api().await;
    let bot = api.bot("Scout", "openai/scripted-model").await;
    let fields = json!({ "prompt": "Look.", "interval_minutes": 1, "enabled": true });
    let heartbeat = api.configure(&bot, fields).await;
    let from = heartbeat["created_at"].as_str().unwrap();
    let printed = [
        "next",
        "--interval-minutes",
        "1",
        "--from",
        from,
        "--count",
        "4",
    ];
    let printed = home.run(&printed).await.ok();
    let expected: Vec<&str> = printed.lines().collect();
    assert_eq!(heartbeat["next_run_at"], expected[0]);

    let rows = until("four fires", || async {
        let logs = api.logs(&bot, "per_page=100").await;
        (covered(&logs).len() >= 4).then_some(logs)
    })
    .await;
    // A machine that is busy with something else may miss a moment, which then has a skipped row.
    assert_eq!(covered(&rows)[..4], expected);
    assert!(texts(&rows, "status").contains(&"success"), "{rows:#?}");
    api.server.stop().await;
}

#[tokio::test]
async fn the_preview_endpoint_and_the_command_agree() {
    let home = Home::new();
    let api = home.api().await;
    let from = "2026-03-27T08:15:00Z";
    let cases: [(&[&str], &str); 4] = [
        (
            &[
                "--interval-minutes",
                "1440",
                "--active-days",
                "1-5",
                "--timezone",
                "Europe/Berlin",
            ],
            "interval_minutes=1440&active_days=1-5&timezone=Europe/Berlin",
        ),
        (
            &[
                "--interval-minutes",
                "45",
                "--active-hours",
                "22:00-06:00",
                "--timezone",
                "Asia/Kolkata",
            ],
            "interval_minutes=45&active_hours_start=22:00&active_hours_end=06:00&timezone=Asia/Kolkata",
        ),
        (
            &["--cron", "30 2 * * *", "--timezone", "America/New_York"],
            "cron_pattern=30%202%20*%20*%20*&timezone=America/New_York",
        ),
        (
            &["--cron", "0,30 1 * * 1-5"],
            "cron_pattern=0,30%201%20*%20*%201-5",
        ),
    ];
    for (args, query) in cases {
        let args = [&["next", "--from", from, "--count", "200"], args].concat();
        let printed = home.run(&args).await.ok();
        let query = format!("{query}&from={from}&count=200");
        let answer = api.get("/v1/bot/heartbeat/preview", &query).await.ok();
        let fires: Vec<&str> = answer["fires"]
            .as_array()
            .unwrap()
            .iter()
            .map(|at| at.as_str().unwrap())
            .collect();
        assert_eq!(fires, printed.lines().collect::<Vec<_>>(), "{query}");
        assert_eq!(fires.len(), 200);
        let as_json = home
            .run(&[args.as_slice(), &["--json"]].concat())
            .await
            .json();
        assert_eq!(as_json["fires"], answer["fires"]);
    }
}

#[tokio::test]
async fn a_bad_argument_exits_with_2_and_is_named() {
    let home = Home::new();
    let every = ["--interval-minutes", "30"];
    let cases: [(&[&str], &str); 12] = [
        (&["--interval-minutes", "0"], "--interval-minutes"),
        (&["--interval-minutes", "527041"], "--interval-minutes"),
        (&["--interval-minutes", "soon"], "--interval-minutes"),
        (&["--cron", "61 * * * *"], "--cron"),
        (&["--cron", "* * * *"], "--cron"),
        (&["--cron", "0 0 30 2 *"], "--cron"),
        (&["--timezone", "Mars/Olympus"], "--timezone"),
        (&["--active-hours", "9"], "--active-hours"),
        (&["--active-hours", "09:00-09:00"], "--active-hours"),
        (&["--active-days", "8"], "--active-days"),
        (&["--from", "yesterday"], "--from"),
        (&["--count", "0"], "--count"),
    ];
    for (args, named) in cases {
        let needs_cadence = !args[0].starts_with("--interval") && args[0] != "--cron";
        let cadence: &[&str] = if needs_cadence { &every } else { &[] };
        let ran = home.run(&[&["next"], cadence, args].concat()).await;
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(named), "{args:?}: {ran:?}");
        assert!(ran.stdout.is_empty(), "{args:?}: {ran:?}");
    }
    let both = home
        .run(&["next", "--interval-minutes", "30", "--cron", "0 9 * * *"])
        .await;
    assert_eq!(both.code, 2, "{both:?}");
    let neither = home.run(&["next"]).await;
    assert_eq!(neither.code, 2, "{neither:?}");
    assert!(
        neither.stderr.contains("interval-minutes") && neither.stderr.contains("cron"),
        "{neither:?}"
    );
}
