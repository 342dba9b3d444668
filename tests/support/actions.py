"""The permissions that the controller needs in the cloud, as RAM calls them.

Written out: read from the program, a missing one would be missed by no test.
"""

ACTIONS = (
    "vpc:DescribeNatGateways",
    "vpc:DescribeEipAddresses",
    "vpc:DescribeForwardTableEntries",
    "vpc:CreateForwardEntry",
    "vpc:ModifyForwardEntry",
    "vpc:DeleteForwardEntry",
    "ecs:DescribeNetworkInterfaces",
)
