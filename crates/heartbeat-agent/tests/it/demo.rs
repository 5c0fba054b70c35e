//! The demo speaks only from what tools gave back.

use heartbeat_agent::model::demo::Demo;
use heartbeat_agent::session::Ended;
use heartbeat_domain::conversation::{Message, ToolCall, ToolOutput};
use serde_json::json;

use crate::world::{FakeToolbox, World};

fn world(disk_percent: u32) -> World {
    let mut world = World::new();
    world.toolbox = FakeToolbox::new(move |call: &ToolCall| match call.name.as_str() {
        "host_status" => {
            let share = |used: u32| json!({ "total_gib": 50.0, "free_percent": 100 - used });
            let mut disk = share(disk_percent);
            disk["mount"] = "/".into();
            let load = json!({ "one": 0.5 });
            let status = json!({ "cpus": 2, "load": load, "memory": share(12), "disk": disk });
            ToolOutput::text(status.to_string())
        }
        "nothing_to_report" => ToolOutput {
            quiet: Some(call.arguments["reason"].as_str().unwrap().to_owned()),
            ..ToolOutput::default()
        },
        _ => ToolOutput::text(call.arguments["message"].as_str().unwrap()),
    });
    world
}

#[tokio::test]
async fn a_healthy_host_is_nothing_to_report() {
    let world = world(41);
    let quiet = Some("demo, no model: memory 12 % used, disk / 41 % used".to_owned());
    assert_eq!(
        world.run(&Demo).await,
        Ended::Replied {
            text: String::new(),
            quiet
        }
    );
    assert_eq!(world.toolbox.calls(), ["host_status", "nothing_to_report"]);
}

#[tokio::test]
async fn a_full_disk_is_told_with_its_figure_and_the_label() {
    let world = world(93);
    match world.run(&Demo).await {
        Ended::Replied { text, quiet: None } => assert!(text.starts_with("demo, no model")),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.toolbox.calls(), ["host_status", "notify_user"]);
    let told = world.journal.with(|r| r.calls[&4].clone().unwrap().text);
    assert_eq!(told, "demo, no model: disk / 93 % used");
    let usage = world.journal.with(|r| r.turns[&1].clone().unwrap().usage);
    assert!(usage.estimated && usage.input_tokens > 0);
}

#[tokio::test]
async fn without_a_tool_that_it_can_read_it_says_so() {
    let world = world(93);
    let mut request = world.request();
    request.tools.retain(|tool| tool.name == "look");
    match world.session(&Demo).run(request.clone()).await {
        Ended::Replied { text, .. } => {
            assert_eq!(
                text,
                "demo, no model: no tool that the rules can read is declared"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        request.messages.last(),
        Some(Message::User { .. })
    ));
}
