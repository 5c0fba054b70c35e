//! `heartbeat configure`, `list`, `read`, `enable`, `disable`, `delete`, `cancel`.

use heartbeat_domain::heartbeat::{Heartbeat, HeartbeatChange, Patch};
use heartbeat_domain::ids::HeartbeatId;
use heartbeat_engine::control::Control;
use heartbeat_store::verbs::BotRef;
use serde_json::json;

use super::{find, schedule, show};
use crate::args::{BotWithin, ConfigureArgs, HeartbeatArgs};
use crate::output::{BadArgument, Out};

/// Creates a heartbeat, or changes one.
pub(crate) async fn configure(
    ask: ConfigureArgs,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<()> {
    let existing: Option<HeartbeatId> = match &ask.uuid {
        Some(text) => Some(
            text.parse()
                .map_err(|_| BadArgument(format!("--uuid: `{text}` is not a UUID")))?,
        ),
        None => None,
    };
    let bot_within = BotWithin {
        within: ask.within.clone(),
        bot: ask.bot.clone(),
    };
    let (project_id, bot_id) = match (&ask.uuid, &ask.bot) {
        (Some(uuid), None) => {
            let target = HeartbeatArgs {
                heartbeat: uuid.clone(),
                within: ask.within.clone(),
            };
            let (key, _) = find::heartbeat(control, &target).await?;
            (key.project_id, key.bot_id)
        }
        _ => {
            let bot = find::one_bot(control, &bot_within).await?;
            (bot.project_id, bot.id)
        }
    };
    let change = change(ask)?;
    let heartbeat = control
        .configure(project_id, BotRef::Id(bot_id), existing, change)
        .await?;
    one(&heartbeat, control, out);
    Ok(())
}

fn change(ask: ConfigureArgs) -> anyhow::Result<HeartbeatChange> {
    fn set<T>(given: Option<T>) -> Patch<T> {
        given.map_or(Patch::Keep, Patch::Set)
    }
    let hours = ask
        .schedule
        .active_hours
        .as_deref()
        .map(schedule::hours)
        .transpose();
    let (start, end) = hours.map_err(heartbeat_store::StoreError::from)?.unzip();
    let watch = ask.watch.as_deref().map(serde_json::from_str).transpose();
    let watch = watch.map_err(|error| BadArgument(format!("--watch is not a watch: {error}")))?;
    Ok(HeartbeatChange {
        label: set(ask.label),
        prompt: set(ask.prompt),
        run_model: set(ask.run_model),
        interval_minutes: set(ask.schedule.interval_minutes),
        cron_pattern: set(ask.schedule.cron),
        active_hours_start: set(start),
        active_hours_end: set(end),
        active_days: set(ask.schedule.active_days),
        timezone: set(ask.schedule.timezone),
        watch: set(watch),
        credit_budget: set(ask.credit_budget),
        max_consecutive_errors: set(ask.max_consecutive_errors),
        catch_up_minutes: set(ask.catch_up_minutes),
        spread_minutes: set(ask.spread_minutes),
        enabled: ask.enabled,
        member_id: None,
    })
}

/// Lists heartbeats.
pub(crate) async fn list(ask: &BotWithin, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let mut heartbeats = Vec::new();
    for bot in find::bots(control, ask).await? {
        let all = control
            .store()
            .heartbeats(bot.project_id, bot.id, None, control.now())
            .await?;
        heartbeats.extend(all);
    }
    if out.is_json() {
        let rows: Vec<_> = heartbeats
            .iter()
            .map(|one| show::heartbeat(one, control.now()))
            .collect();
        out.value(&json!({ "heartbeats": rows }));
        return Ok(());
    }
    let rows = heartbeats.iter().map(|heartbeat| {
        vec![
            show::name(heartbeat),
            show::schedule(heartbeat),
            show::standing(heartbeat),
            show::next(heartbeat),
            heartbeat
                .last_status
                .clone()
                .unwrap_or_else(|| "never ran".into()),
            heartbeat.id.to_string(),
        ]
    });
    let empty = "There is no heartbeat yet. Make one: heartbeat configure --prompt … --interval-minutes 30 --enabled true";
    out.table(
        &["name", "schedule", "standing", "next", "last", "id"],
        rows.collect(),
        empty,
    );
    Ok(())
}

/// Shows one heartbeat.
pub(crate) async fn read(
    ask: &HeartbeatArgs,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<()> {
    let (_, heartbeat) = find::heartbeat(control, ask).await?;
    one(&heartbeat, control, out);
    Ok(())
}

/// Enables one.
pub(crate) async fn enable(
    ask: &HeartbeatArgs,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<()> {
    let (key, _) = find::heartbeat(control, ask).await?;
    one(&control.enable(key).await?, control, out);
    Ok(())
}

/// Disables one.
pub(crate) async fn disable(
    ask: &HeartbeatArgs,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<()> {
    let (key, _) = find::heartbeat(control, ask).await?;
    one(&control.disable(key).await?, control, out);
    Ok(())
}

/// Deletes one.
pub(crate) async fn delete(
    ask: &HeartbeatArgs,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<()> {
    let (key, heartbeat) = find::heartbeat(control, ask).await?;
    control.delete(key).await?;
    out.either(
        &json!({ "deleted": key.id }),
        &format!("Deleted {}", show::name(&heartbeat)),
    );
    Ok(())
}

/// Stops what is under way.
pub(crate) async fn cancel(
    ask: &HeartbeatArgs,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<()> {
    let (key, _) = find::heartbeat(control, ask).await?;
    let execution = control.cancel(key).await?;
    let text = format!("Execution {execution} stops within 5 seconds");
    out.either(&json!({ "execution_id": execution }), &text);
    Ok(())
}

fn one(heartbeat: &Heartbeat, control: &Control, out: &mut Out) {
    let last = heartbeat.last_status.as_deref().unwrap_or("never ran");
    let budget = heartbeat
        .settings
        .credit_budget
        .map_or("unlimited".into(), |most| most.to_string());
    let text = format!(
        "{}\n  id        {}\n  schedule  {}\n  standing  {}\n  next      {}\n  last      {last}\n  credits   {} of {budget} this month",
        show::name(heartbeat),
        heartbeat.id,
        show::schedule(heartbeat),
        show::standing(heartbeat),
        show::next(heartbeat),
        heartbeat.credits_used,
    );
    out.either(
        &json!({ "heartbeat": show::heartbeat(heartbeat, control.now()) }),
        &text,
    );
}
