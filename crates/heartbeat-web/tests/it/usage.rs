//! What the page of credits and tokens says.

use axum::http::StatusCode;

use crate::world::World;

#[tokio::test]
async fn usage_shows_every_level_and_what_is_left() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let heartbeat = world.heartbeat(&bot, "Night round", "Look").await;
    let claim = world.claim(&heartbeat).await;
    world.steps(&claim, "all is well").await;
    let held = world.get("/usage", &cookie).await;
    assert_eq!(held.status, StatusCode::OK);
    world.succeed(&claim, "all is well", Vec::new()).await;
    let page = world.get("/usage", &cookie).await;
    let row = |name: &str, text: &str| {
        let (_, rest) = text.split_once(&format!(">{name}<")).unwrap();
        let cells = rest.split("</tr>").next().unwrap().split("data-label=\"");
        let cell = |cell: &str| {
            let (label, rest) = cell.split_once("\">").unwrap();
            format!("{label} {}", rest.split('<').next().unwrap())
        };
        cells.skip(1).map(cell).collect::<Vec<_>>()
    };
    let today = row("Today", &page.text);
    assert_eq!(
        today[..5],
        [
            "used 1",
            "reserved 0",
            "limit 1,000",
            "left 999",
            "tokens 824"
        ]
    );
    assert_eq!(row("Today", &held.text)[1], "reserved 1", "{}", held.text);
    assert_eq!(row("This month", &page.text)[..2], ["used 1", "reserved 0"]);
    assert_eq!(row("Watcher", &page.text)[4], "tokens 824");
    assert!(
        page.text.contains("datetime=\"2026-11-24T00:00:00Z\""),
        "{}",
        page.text
    );
    assert!(page.text.contains("2026-11-23</td>"), "{}", page.text);

    let by_heartbeat = world.get("/usage?by=heartbeat", &cookie).await;
    let link = format!("href=\"/heartbeats/{}\">Night round<", heartbeat.id);
    assert!(by_heartbeat.text.contains(&link), "{}", by_heartbeat.text);
    let by_member = world.get("/usage?by=member", &cookie).await;
    assert!(
        by_member.text.contains("Nothing was used"),
        "{}",
        by_member.text
    );
}

#[tokio::test]
async fn usage_shows_the_balance_with_its_latest_entries() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let project = world.project.id;
    let note = "invoice 7 <b>".to_owned();
    world
        .control
        .add_credit(project, (12_500, note), None)
        .await
        .unwrap();
    let note = "taken back".to_owned();
    world
        .control
        .add_credit(project, (-500, note), None)
        .await
        .unwrap();
    let page = world.get("/usage", &cookie).await;
    for text in [
        "<dt>On the balance</dt><dd>12,000</dd>",
        "invoice 7 &#60;b&#62;",
        ">-500<",
        "taken back",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let home = world.get("/", &cookie).await;
    assert!(
        home.text.contains("<a href=\"/usage\">Usage</a>"),
        "{}",
        home.text
    );
}

#[tokio::test]
async fn a_month_that_is_over_has_nothing_left_and_one_that_makes_no_sense_is_this_one() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let past = world
        .get("/usage?month=2026-10&by=heartbeat", &cookie)
        .await;
    assert!(past.text.contains("credits of 2026-10"), "{}", past.text);
    assert!(!past.text.contains("Today<"), "{}", past.text);
    assert!(
        past.text.contains("/usage?month=2026-11&#38;by=heartbeat"),
        "{}",
        past.text
    );
    for odd in ["2026-13", "x", "2031-01", "%3Cscript%3E"] {
        let page = world
            .get(&format!("/usage?month={odd}&by={odd}"), &cookie)
            .await;
        assert_eq!(page.status, StatusCode::OK, "{odd}");
        assert!(
            page.text.contains("credits of 2026-11"),
            "{odd}: {}",
            page.text
        );
    }
    let signed_out = world.get("/usage", "").await;
    assert_eq!(signed_out.status, StatusCode::SEE_OTHER);
}
