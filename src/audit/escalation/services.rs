//! Services that run something as a role: what starts them, or takes over what they already run.
//!
//! A role can be reached through a service only where its trust policy admits that service. The paths are those that
//! AWS's documentation of `iam:PassRole` implies
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html>).

/// A way through a service.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// As trust policies name it.
    pub principal: &'static str,
    /// In a word, for people: `lambda`.
    pub name: &'static str,
    /// Actions that together start something new as a role that is passed; `iam:PassRole` is asked besides.
    pub starts: &'static [&'static [&'static str]],
    /// Actions that together take over something that already runs as the role. Whether there is such a thing is not
    /// looked at, so the answer is never better than conditional.
    pub takes_over: &'static [&'static [&'static str]],
}

/// Every service whose work a caller chooses.
#[rustfmt::skip] // a table
pub static SERVICES: &[Service] = &[
    Service { principal: "ec2.amazonaws.com", name: "ec2",
        starts: &[&["ec2:RunInstances"], &["ec2:AssociateIamInstanceProfile"], &["ec2:ReplaceIamInstanceProfileAssociation"]],
        takes_over: &[&["ssm:SendCommand"], &["ssm:StartSession"], &["ec2-instance-connect:SendSSHPublicKey"],
                      &["ec2:ModifyInstanceAttribute", "ec2:StartInstances"]] },
    Service { principal: "lambda.amazonaws.com", name: "lambda",
        starts: &[&["lambda:CreateFunction", "lambda:InvokeFunction"], &["lambda:CreateFunction", "lambda:AddPermission"],
                  &["lambda:CreateFunction", "lambda:CreateEventSourceMapping"], &["lambda:CreateFunction", "lambda:CreateFunctionUrlConfig"],
                  &["lambda:CreateFunction", "events:PutTargets"],
                  &["lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionCode"]],
        takes_over: &[&["lambda:UpdateFunctionCode"], &["lambda:UpdateFunctionConfiguration"]] },
    Service { principal: "cloudformation.amazonaws.com", name: "cloudformation",
        starts: &[&["cloudformation:CreateStack"], &["cloudformation:UpdateStack"], &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"]],
        takes_over: &[&["cloudformation:UpdateStack"], &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"]] },
    Service { principal: "ecs-tasks.amazonaws.com", name: "ecs",
        starts: &[&["ecs:RunTask"], &["ecs:StartTask"], &["ecs:RegisterTaskDefinition", "ecs:CreateService"],
                  &["ecs:RegisterTaskDefinition", "ecs:UpdateService"], &["batch:RegisterJobDefinition", "batch:SubmitJob"]],
        takes_over: &[&["ecs:ExecuteCommand"]] },
    Service { principal: "codebuild.amazonaws.com", name: "codebuild",
        starts: &[&["codebuild:CreateProject", "codebuild:StartBuild"], &["codebuild:UpdateProject", "codebuild:StartBuild"]],
        takes_over: &[&["codebuild:StartBuild"], &["codebuild:StartBuildBatch"]] },
    Service { principal: "codepipeline.amazonaws.com", name: "codepipeline",
        starts: &[&["codepipeline:CreatePipeline"], &["codepipeline:UpdatePipeline"]],
        takes_over: &[] },
    Service { principal: "glue.amazonaws.com", name: "glue",
        starts: &[&["glue:CreateDevEndpoint"], &["glue:CreateJob", "glue:StartJobRun"], &["glue:CreateJob", "glue:CreateTrigger"],
                  &["glue:UpdateJob", "glue:StartJobRun"], &["glue:CreateSession", "glue:RunStatement"]],
        takes_over: &[&["glue:UpdateDevEndpoint"]] },
    Service { principal: "sagemaker.amazonaws.com", name: "sagemaker",
        starts: &[&["sagemaker:CreateNotebookInstance", "sagemaker:CreatePresignedNotebookInstanceUrl"],
                  &["sagemaker:CreateTrainingJob"], &["sagemaker:CreateProcessingJob"]],
        takes_over: &[&["sagemaker:CreatePresignedNotebookInstanceUrl"]] },
    Service { principal: "datapipeline.amazonaws.com", name: "datapipeline",
        starts: &[&["datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition", "datapipeline:ActivatePipeline"]],
        takes_over: &[] },
    Service { principal: "states.amazonaws.com", name: "step functions",
        starts: &[&["states:CreateStateMachine", "states:StartExecution"], &["states:UpdateStateMachine", "states:StartExecution"]],
        takes_over: &[&["states:UpdateStateMachine", "states:StartExecution"]] },
    Service { principal: "scheduler.amazonaws.com", name: "scheduler",
        starts: &[&["scheduler:CreateSchedule"], &["scheduler:UpdateSchedule"]],
        takes_over: &[] },
    Service { principal: "ssm.amazonaws.com", name: "ssm automation",
        starts: &[&["ssm:StartAutomationExecution"]],
        takes_over: &[] },
    Service { principal: "batchoperations.s3.amazonaws.com", name: "s3 batch operations",
        starts: &[&["s3:CreateJob"]],
        takes_over: &[] },
    Service { principal: "elasticmapreduce.amazonaws.com", name: "emr",
        starts: &[&["elasticmapreduce:RunJobFlow"]],
        takes_over: &[] },
    Service { principal: "tasks.apprunner.amazonaws.com", name: "app runner",
        starts: &[&["apprunner:CreateService"], &["apprunner:UpdateService"]],
        takes_over: &[] },
];
