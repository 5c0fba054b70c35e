//! `heartbeat bot`.

use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::heartbeat::Patch;
use heartbeat_engine::control::Control;
use heartbeat_store::verbs::BotRef;
use serde_json::json;

use super::{find, show};
use crate::args::{BotCommand, BotFields, BotWithin, CreditLimit, WebHosts, Within};
use crate::config::Config;
use crate::output::{BadArgument, Out};

/// Makes, lists, shows, changes and deletes agents.
pub(crate) async fn run(
    ask: BotCommand,
    control: &Control,
    config: &Config,
    out: &mut Out,
) -> anyhow::Result<()> {
    match ask {
        BotCommand::Create {
            name,
            mut fields,
            within,
        } => {
            fields.model = fields.model.or_else(|| config.models.default.clone());
            if fields.model.is_none() {
                let message = "--model is required, as provider/name, such as openai/gpt-5.5 or \
                               ollama/qwen3 (or set models.default)";
                return Err(BadArgument(message.into()).into());
            }
            let project = control.pick_project(within.project.as_deref()).await?;
            let bot = control
                .create_bot(project.id, change(Some(name), fields))
                .await?;
            one(&bot, out);
        }
        BotCommand::List(within) => list(&within, control, out).await?,
        BotCommand::Read { bot, within } => {
            let bot = named(control, &within, &bot).await?;
            one(&bot, out);
        }
        BotCommand::Update {
            bot,
            name,
            fields,
            within,
        } => {
            let bot = named(control, &within, &bot).await?;
            let change = change(name, fields);
            let bot = control
                .update_bot(bot.project_id, BotRef::Id(bot.id), change)
                .await?;
            one(&bot, out);
        }
        BotCommand::Delete { bot, within } => {
            let bot = named(control, &within, &bot).await?;
            control
                .delete_bot(bot.project_id, BotRef::Id(bot.id))
                .await?;
            out.either(
                &json!({ "deleted": bot.id }),
                &format!("Deleted {}", bot.name),
            );
        }
    }
    Ok(())
}

async fn named(control: &Control, within: &Within, bot: &str) -> anyhow::Result<Bot> {
    let project = control.pick_project(within.project.as_deref()).await?;
    find::bot(control, project.id, bot).await
}

fn change(name: Option<String>, fields: BotFields) -> BotChange {
    BotChange {
        name,
        model: fields.model,
        instruction: fields.instruction,
        status: fields.status,
        heartbeat: fields.heartbeat,
        credit_limit: fields
            .credit_limit
            .map_or(Patch::Keep, |limit| match limit {
                CreditLimit::Unlimited => Patch::Clear,
                CreditLimit::Credits(credits) => Patch::Set(credits),
            }),
        web_hosts: fields.web_hosts.map_or(Patch::Keep, |hosts| match hosts {
            WebHosts::Any => Patch::Clear,
            WebHosts::Only(hosts) => Patch::Set(hosts),
        }),
    }
}

fn one(bot: &Bot, out: &mut Out) {
    let switch = if bot.heartbeat { "on" } else { "off" };
    let hosts = match &bot.web_hosts {
        None => "any, none once a tool reads private data".to_owned(),
        Some(hosts) if hosts.is_empty() => "none".to_owned(),
        Some(hosts) => hosts.join(", "),
    };
    let text = format!(
        "{}\n  id         {}\n  number     {}\n  model      {}\n  heartbeat  {switch}\n  web hosts  \
         {hosts}",
        bot.name, bot.id, bot.number, bot.model
    );
    out.either(&json!({ "bot": show::bot(bot) }), &text);
}

async fn list(within: &Within, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let ask = BotWithin {
        within: within.clone(),
        bot: None,
    };
    let bots = find::bots(control, &ask).await?;
    if out.is_json() {
        let rows: Vec<_> = bots.iter().map(show::bot).collect();
        out.value(&json!({ "bots": rows }));
        return Ok(());
    }
    let rows = bots.into_iter().map(|bot| {
        let switch = if bot.is_switched_on() { "on" } else { "off" };
        vec![
            bot.number.to_string(),
            bot.name,
            bot.model,
            switch.into(),
            bot.id.to_string(),
        ]
    });
    let empty = "There is no bot yet. Make one: heartbeat bot create NAME --model provider/name --heartbeat true";
    out.table(
        &["number", "name", "model", "heartbeat", "id"],
        rows.collect(),
        empty,
    );
    Ok(())
}
