//! Work on a model that speaks Gemini's `generateContent`.

use heartbeat_testkit::model_server::{ModelServer, Reply};
use serde_json::json;

use crate::support::dialect::{self, Dialect};
use crate::support::home::Home;
use crate::support::wait::within;

const GEMINI: Dialect = Dialect::Gemini;

#[tokio::test]
async fn an_agent_looks_tells_people_and_is_logged_with_tokens_credits_and_duration() {
    dialect::uses_its_tools(GEMINI).await;
}

#[tokio::test]
async fn nothing_to_report_is_a_success_without_a_message() {
    dialect::is_silent_about_nothing(GEMINI).await;
}

#[tokio::test]
async fn a_429_is_asked_again_not_before_retry_after_says() {
    dialect::obeys_retry_after(GEMINI).await;
}

#[tokio::test]
async fn a_429_without_end_is_an_error_after_four_attempts() {
    dialect::gives_up_on_a_busy_model(GEMINI).await;
}

#[tokio::test]
async fn a_cut_stream_bad_json_a_web_page_and_a_refusal_are_errors_that_say_so() {
    dialect::says_what_was_wrong_with_an_answer(GEMINI).await;
}

#[tokio::test]
async fn usage_that_is_not_told_is_estimated() {
    dialect::estimates_usage(GEMINI).await;
}

#[tokio::test]
async fn a_model_that_calls_a_tool_that_does_not_exist_is_told_which_there_are() {
    dialect::names_its_tools_to_a_model_that_errs(GEMINI).await;
}

#[tokio::test]
async fn a_first_byte_that_takes_too_long_is_asked_for_again() {
    dialect::asks_again_for_a_first_byte(GEMINI).await;
}

#[tokio::test]
async fn an_endpoint_that_is_down_skips_the_run_and_is_told_the_third_time() {
    dialect::skips_what_it_cannot_reach(GEMINI).await;
}

#[tokio::test]
async fn the_end_of_an_outage_is_told_also_across_a_death_of_the_process() {
    dialect::tells_the_end_of_an_outage(GEMINI).await;
}

#[tokio::test]
async fn a_bad_key_makes_one_request_moves_no_breaker_and_is_told_once() {
    dialect::stops_asking_with_a_bad_key(GEMINI).await;
}

#[tokio::test]
async fn a_key_that_works_again_is_found_out_by_a_probe() {
    dialect::finds_out_that_a_key_works_again(GEMINI).await;
}

#[tokio::test]
async fn the_demo_agent_works_on_the_model_whose_key_the_environment_holds() {
    let quiet = json!({ "reason": "all is well" });
    let model =
        ModelServer::answering(move |_| Reply::call("nothing_to_report", quiet.clone())).await;
    let home = Home::new().with_gemini(&model);
    let server = home.serve(&["--demo"]).await;
    let line = server.stdout.wait_for("Model: ").await;
    assert!(
        line.contains("gemini/gemini-") && line.contains("GEMINI_API_KEY"),
        "{line}"
    );
    within("a request of the demo agent", model.wait_for_requests(1)).await;
    let asked = &model.requests()[0];
    assert_eq!(asked.key.as_deref(), Some("AIza-gemini"));
    server.stop().await;
}
