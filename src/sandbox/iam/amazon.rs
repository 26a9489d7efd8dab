//! Policies that AWS itself manages and everybody may attach, as the AWS managed policy reference has them
//! (<https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>): those that decide about
//! backups, and those that machines commonly have. Any other is unknown here, and so refused.

/// One of AWS's policies.
#[derive(Debug)]
pub struct AmazonPolicy {
    pub path: &'static str,
    pub name: &'static str,
    /// Of the version that counts.
    pub version: u32,
    /// When that version came, in RFC 3339.
    pub updated: &'static str,
    pub document: &'static str,
}

impl AmazonPolicy {
    pub fn arn(&self, partition: &str) -> String {
        format!("arn:{partition}:iam::aws:policy{}{}", self.path, self.name)
    }
}

/// The policy of an ARN.
pub fn find(arn: &str) -> Option<&'static AmazonPolicy> {
    let resource = arn.split_once(":iam::aws:policy")?.1;
    ALL.iter().find(|policy| resource.strip_prefix(policy.path) == Some(policy.name))
}

/// The text of the policy of a name.
pub fn document(name: &str) -> Option<&'static str> {
    ALL.iter().find(|policy| policy.name == name).map(|policy| policy.document)
}

pub static ALL: &[AmazonPolicy] = &[
    AmazonPolicy {
        path: "/",
        name: "AdministratorAccess",
        version: 1,
        updated: "2015-02-06T18:39:46Z",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    },
    AmazonPolicy {
        path: "/",
        name: "PowerUserAccess",
        version: 12,
        updated: "2026-02-12T17:59:14Z",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*",
            "organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow",
            "Action":["account:GetAccountInformation","account:GetGovCloudAccountInformation",
            "account:GetPrimaryEmail","account:ListRegions","iam:CreateServiceLinkedRole",
            "iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeEffectivePolicy",
            "organizations:DescribeOrganization"],"Resource":"*"}]}"#,
    },
    AmazonPolicy {
        path: "/",
        name: "AmazonS3FullAccess",
        version: 2,
        updated: "2021-09-27T20:16:37Z",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*",
            "s3-object-lambda:*"],"Resource":"*"}]}"#,
    },
    AmazonPolicy {
        path: "/",
        name: "AmazonS3ReadOnlyAccess",
        version: 3,
        updated: "2023-08-10T21:31:39Z",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*",
            "s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}"#,
    },
    AmazonPolicy {
        path: "/",
        name: "IAMFullAccess",
        version: 2,
        updated: "2019-06-21T19:40:00Z",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*",
            "organizations:DescribeAccount","organizations:DescribeOrganization",
            "organizations:DescribeOrganizationalUnit","organizations:DescribePolicy",
            "organizations:ListChildren","organizations:ListParents",
            "organizations:ListPoliciesForTarget","organizations:ListRoots",
            "organizations:ListPolicies","organizations:ListTargetsForPolicy"],"Resource":"*"}]}"#,
    },
    AmazonPolicy {
        path: "/",
        name: "IAMReadOnlyAccess",
        version: 4,
        updated: "2018-01-25T19:11:27Z",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Action":["iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails",
            "iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],
            "Resource":"*"}]}"#,
    },
    AmazonPolicy {
        path: "/",
        name: "AmazonSSMManagedInstanceCore",
        version: 2,
        updated: "2019-05-23T16:54:21Z",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Action":["ssm:DescribeAssociation","ssm:GetDeployablePatchSnapshotForInstance",
            "ssm:GetDocument","ssm:DescribeDocument","ssm:GetManifest","ssm:GetParameter",
            "ssm:GetParameters","ssm:ListAssociations","ssm:ListInstanceAssociations",
            "ssm:PutInventory","ssm:PutComplianceItems","ssm:PutConfigurePackageResult",
            "ssm:UpdateAssociationStatus","ssm:UpdateInstanceAssociationStatus",
            "ssm:UpdateInstanceInformation"],"Resource":"*"},{"Effect":"Allow",
            "Action":["ssmmessages:CreateControlChannel","ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel","ssmmessages:OpenDataChannel"],"Resource":"*"},
            {"Effect":"Allow","Action":["ec2messages:AcknowledgeMessage",
            "ec2messages:DeleteMessage","ec2messages:FailMessage","ec2messages:GetEndpoint",
            "ec2messages:GetMessages","ec2messages:SendReply"],"Resource":"*"}]}"#,
    },
    AmazonPolicy {
        path: "/",
        name: "CloudWatchAgentServerPolicy",
        version: 3,
        updated: "2024-02-06T16:37:37Z",
        document: r#"{"Version":"2012-10-17","Statement":[{"Sid":"CWACloudWatchServerPermissions",
            "Effect":"Allow","Action":["cloudwatch:PutMetricData","ec2:DescribeVolumes",
            "ec2:DescribeTags","logs:PutLogEvents","logs:PutRetentionPolicy",
            "logs:DescribeLogStreams","logs:DescribeLogGroups","logs:CreateLogStream",
            "logs:CreateLogGroup","xray:PutTraceSegments","xray:PutTelemetryRecords",
            "xray:GetSamplingRules","xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"],
            "Resource":"*"},{"Sid":"CWASSMServerPermissions","Effect":"Allow",
            "Action":["ssm:GetParameter"],
            "Resource":"arn:aws:ssm:*:*:parameter/AmazonCloudWatch-*"}]}"#,
    },
    AmazonPolicy {
        path: "/service-role/",
        name: "AWSLambdaBasicExecutionRole",
        version: 1,
        updated: "2015-04-09T15:03:43Z",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup",
            "logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::iam::check_identity;

    #[test]
    fn every_one_is_a_policy_and_is_found() {
        for policy in ALL {
            check_identity(policy.document).unwrap_or_else(|refusal| panic!("{}: {refusal:?}", policy.name));
            assert_eq!(find(&policy.arn("aws")).map(|found| found.name), Some(policy.name));
        }
        assert!(find("arn:aws:iam::aws:policy/NoSuchPolicy").is_none());
        assert!(find("arn:aws:iam::123456789012:policy/AdministratorAccess").is_none());
    }
}
