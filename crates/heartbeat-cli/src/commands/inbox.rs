//! `heartbeat inbox`.

use heartbeat_engine::control::Control;
use heartbeat_store::verbs::{NoticeFilter, Page};
use serde_json::json;

use super::show;
use crate::args::InboxArgs;
use crate::output::Out;

/// Prints the newest messages.
pub(crate) async fn run(ask: &InboxArgs, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let project = control.pick_project(ask.within.project.as_deref()).await?;
    let filter = NoticeFilter {
        unread: ask.unread,
        ..NoticeFilter::default()
    };
    let page = Page {
        number: 1,
        size: 50,
    };
    let listed = control.store().notices(project.id, &filter, page).await?;
    if out.is_json() {
        let rows: Vec<_> = listed.rows.iter().map(show::notice).collect();
        out.value(&json!({ "total": listed.total, "notifications": rows }));
        return Ok(());
    }
    let rows = listed.rows.into_iter().map(|notice| {
        vec![
            show::instant(notice.created_at),
            notice.status.to_owned(),
            notice.priority.as_str().to_owned(),
            notice.title,
            notice.message,
        ]
    });
    out.table(
        &["when", "status", "priority", "title", "message"],
        rows.collect(),
        "No messages.",
    );
    Ok(())
}
