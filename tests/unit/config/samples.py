"""Configurations that the tests start from."""

DOCUMENTED = """\
clusterID: "c11ba338192xxxxxxx"          # the real one goes here
regionID: "cn-hangzhou"
vpcID: "vpc-bp1rkq0zxxxxxx"
enableControllers:
  - natgw                                  # turns DNAT on

networkController:
  natGwPool:
    - natgwId: "ngw-xxx"
      zoneId: "cn-hangzhou-j"
      portRangeStart: 512                              # the first port
      portRangeEnd: 1024                               # the last port
      eips: []

credential:
  accessKey: ""
  accessSecret: ""
"""

PLACEHOLDERS = (
    DOCUMENTED.replace('"ngw-xxx"', '"< nat gateway id. >"')
    .replace('"cn-hangzhou-j"', '"< nat gateway zone id. cn-hangzhou-j >"')
    .replace("[]", '\n        - "<auto config all nat gateway eips if not config. 0.0.0.0 >"')
)
"""The same as the document prints it, with what a user has to fill in."""

MINIMAL = """\
clusterID: c1
regionID: cn-hangzhou
vpcID: vpc-1
enableControllers: [natgw]
networkController:
  natGwPool:
    - natgwId: ngw-1
      portRangeStart: 512
      portRangeEnd: 1024
"""
