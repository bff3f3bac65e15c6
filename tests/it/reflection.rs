//! Reflection, as programs meet it that know the contract by it alone.

use std::collections::HashSet;

use futures_util::{StreamExt as _, stream};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;
use tonic_reflection::pb::{
    v1::{
        ExtensionRequest, ServerReflectionRequest,
        server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest as Ask,
        server_reflection_response::MessageResponse as Told,
    },
    v1alpha,
};

use crate::support::TestApp;

const NOT_FOUND: i32 = 5;

impl TestApp {
    /// The answers to these questions, in one stream.
    async fn told(&self, questions: Vec<Ask>) -> Vec<Told> {
        let requests = questions
            .into_iter()
            .map(|question| ServerReflectionRequest {
                host: "localhost".to_owned(),
                message_request: Some(question),
            });
        let requests: Vec<_> = requests.collect();
        let asked = requests.clone();
        let answers = ServerReflectionClient::new(self.channel())
            .server_reflection_info(stream::iter(requests))
            .await
            .unwrap();
        let answers: Vec<_> = answers.into_inner().map(Result::unwrap).collect().await;
        for (asked, answer) in asked.iter().zip(&answers) {
            assert_eq!(answer.original_request.as_ref(), Some(asked));
        }
        let told = answers
            .into_iter()
            .map(|answer| answer.message_response.unwrap());
        told.collect()
    }
}

fn services(told: &Told) -> Vec<String> {
    match told {
        Told::ListServicesResponse(list) => list
            .service
            .iter()
            .map(|service| service.name.clone())
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn files(told: &Told) -> &[Vec<u8>] {
    match told {
        Told::FileDescriptorResponse(files) => &files.file_descriptor_proto,
        other => panic!("{other:?}"),
    }
}

/// The name of the first file, when with the others it is all that a program needs.
fn whole(told: &Told) -> String {
    let files = files(told);
    let mut pool = DescriptorPool::new();
    let protos: Vec<_> = files
        .iter()
        .map(|file| FileDescriptorProto::decode(file.as_slice()).unwrap())
        .collect();
    let names: HashSet<_> = protos.iter().map(|file| file.name().to_owned()).collect();
    assert_eq!(names.len(), files.len(), "each file once");
    let first = protos[0].name().to_owned();
    pool.add_file_descriptor_protos(protos).unwrap();
    first
}

#[tokio::test]
async fn a_file_comes_with_all_that_it_imports() {
    let app = TestApp::start().await;
    let listed = services(&app.told(vec![Ask::ListServices(String::new())]).await[0]);
    for served in [
        "countersign.v1.SessionService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ] {
        assert!(listed.contains(&served.to_owned()), "{served}");
    }
    let symbols = listed.into_iter().chain(
        [
            "countersign.v1.SessionService.CreateSession",
            "countersign.v1.Session.name",
            "countersign.v1.policy",
            "google.rpc.ErrorInfo",
            "google.protobuf.FieldDescriptorProto.Type",
        ]
        .map(str::to_owned),
    );
    for told in app
        .told(symbols.map(Ask::FileContainingSymbol).collect())
        .await
    {
        whole(&told);
    }
    let file = "countersign/v1/session_service.proto";
    let told = app.told(vec![Ask::FileByFilename(file.to_owned())]).await;
    assert_eq!(whole(&told[0]), file);
    // Options of our own are not lost: clients read policies and paths in them.
    let ours = files(&told[0])[0]
        .windows(12)
        .any(|bytes| bytes == b"/v1/sessions");
    assert!(ours);
}

#[tokio::test]
async fn what_is_unknown_is_told_in_the_stream_which_goes_on() {
    let app = TestApp::start().await;
    let extension = |containing_type: &str, extension_number| {
        Ask::FileContainingExtension(ExtensionRequest {
            containing_type: containing_type.to_owned(),
            extension_number,
        })
    };
    let unknown = vec![
        Ask::FileContainingSymbol("nobody.v1.Thing".to_owned()),
        Ask::FileContainingSymbol(String::new()),
        Ask::FileByFilename("nobody.proto".to_owned()),
        extension("google.protobuf.MethodOptions", 1),
        extension("google.protobuf.MethodOptions", -1),
        extension("nobody.v1.Thing", 72_295_728),
        Ask::AllExtensionNumbersOfType("nobody.v1.Thing".to_owned()),
    ];
    let count = unknown.len();
    let asked = unknown
        .into_iter()
        .chain([Ask::ListServices(String::new())]);
    let told = app.told(asked.collect()).await;
    assert_eq!(told.len(), count + 1);
    for told in &told[..count] {
        match told {
            Told::ErrorResponse(error) => assert_eq!(error.error_code, NOT_FOUND),
            other => panic!("{other:?}"),
        }
    }
    assert!(!services(&told[count]).is_empty());
}

#[tokio::test]
async fn extensions_are_found_by_what_they_extend() {
    const HTTP: i32 = 72_295_728;
    let app = TestApp::start().await;
    let options = "google.protobuf.MethodOptions".to_owned();
    let told = app
        .told(vec![
            Ask::AllExtensionNumbersOfType(options.clone()),
            Ask::FileContainingExtension(ExtensionRequest {
                containing_type: options,
                extension_number: HTTP,
            }),
            Ask::AllExtensionNumbersOfType("countersign.v1.Session".to_owned()),
        ])
        .await;
    let numbers = told.iter().filter_map(|told| match told {
        Told::AllExtensionNumbersResponse(numbers) => Some(&numbers.extension_number),
        _ => None,
    });
    let numbers: Vec<_> = numbers.collect();
    assert!(numbers[0].contains(&HTTP), "{numbers:?}");
    assert!(numbers[1].is_empty());
    assert_eq!(whole(&told[1]), "google/api/annotations.proto");
}

/// Python's client speaks this version alone.
#[tokio::test]
async fn the_older_version_answers_alike() {
    let app = TestApp::start().await;
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "countersign.v1.SessionService".to_owned(),
            ),
        ),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(app.channel());
    let answers = client
        .server_reflection_info(stream::iter([request.clone()]))
        .await
        .unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    assert_eq!(answer.original_request, Some(request));
    let question = Ask::FileContainingSymbol("countersign.v1.SessionService".to_owned());
    let told = app.told(vec![question]).await;
    let v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(alike) =
        answer.message_response.unwrap()
    else {
        panic!("no files");
    };
    assert_eq!(alike.file_descriptor_proto, files(&told[0]));
}

#[tokio::test]
async fn every_question_of_a_stream_spends() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(Ask::ListServices(String::new())),
    };
    let answers = ServerReflectionClient::new(app.channel())
        .server_reflection_info(stream::iter(vec![question; 100]))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().collect().await;
    // The stream itself was one.
    assert_eq!(answers.len(), 50);
    let last = answers.last().unwrap().as_ref().unwrap_err();
    assert_eq!(last.code(), tonic::Code::ResourceExhausted);
}
