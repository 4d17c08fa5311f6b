//! The lines that docker-guard sends to Docker for a request that it understood, as its handler writes them.

use super::request::{Call, ContainerCall, Query, Request, target};

/// Method and target of each.
pub(crate) fn lines(request: &Request) -> Vec<(&'static str, String)> {
    let none: &Query = &Vec::new();
    let filters = || ("filters", "{}".to_owned());
    let mut calls: Vec<(&'static str, String, Query)> = Vec::new();
    let mut add = |method, path: &str, query: &Query| calls.push((method, path.to_owned(), query.clone()));
    match &request.call {
        Call::Ping => add("GET", "/_ping", none),
        Call::Version => add("GET", "/version", none),
        Call::Image(name) => add("GET", &format!("/images/{name}/json"), none),
        Call::PullImage(image) => {
            let query =
                vec![("fromImage", image.repository().to_owned()), ("tag", image.reference().to_owned())];
            add("POST", "/images/create", &query);
        }
        Call::ListContainers { all } => {
            add("GET", "/containers/json", &vec![("all", all.to_string()), filters()]);
        }
        Call::Events(query) => {
            let query = query.iter().cloned().chain([filters()]).collect();
            add("GET", "/events", &query);
        }
        Call::CreateContainer { name } => {
            add("POST", "/containers/create", &vec![("name", name.clone())]);
        }
        Call::Container(id, call) => {
            add("GET", &format!("/containers/{id}/json"), none);
            let path = |action: &str| format!("/containers/{id}{action}");
            match call {
                ContainerCall::Inspect => {}
                ContainerCall::Logs(query) => add("GET", &path("/logs"), query),
                ContainerCall::Stats(query) => add("GET", &path("/stats"), query),
                ContainerCall::Start => add("POST", &path("/start"), none),
                ContainerCall::Pause => add("POST", &path("/pause"), none),
                ContainerCall::Unpause => add("POST", &path("/unpause"), none),
                ContainerCall::Stop(query) => add("POST", &path("/stop"), query),
                ContainerCall::Wait(query) => add("POST", &path("/wait"), query),
                ContainerCall::Remove(query) => add("DELETE", &path(""), query),
            }
        }
        Call::ListNetworks => add("GET", "/networks", none),
        Call::Network(name) => add("GET", &format!("/networks/{name}"), none),
        Call::CreateNetwork => add("POST", "/networks/create", none),
        Call::RemoveNetwork(name) => {
            add("GET", &format!("/networks/{name}"), none);
            add("DELETE", &format!("/networks/{name}"), none);
        }
    }
    let version = request.version.as_deref();
    calls
        .into_iter()
        .map(|(method, path, query)| {
            let query: Vec<(&str, &str)> =
                query.iter().map(|(name, value)| (*name, value.as_str())).collect();
            (method, target(version, &path, &query))
        })
        .collect()
}
