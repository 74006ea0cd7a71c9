"""An S3 storage for stories: moto on a free port of this machine, with one bucket, and one key that may use it.

Says in one line where it is and what the key is. Then it does what is told on its input, one word a line, and answers with that
word: `away` breaks every connection before it is answered, `back` answers again, with all that was kept; `rot` turns a bit of
every photo; `careless` writes over what is there whatever it was told, as storages of before do; `hold` keeps the second listing
from now on waiting until `go`, and `held` is answered with itself once it waits; `solid` takes no photo that would be written over
another, until `soft`. It ends when its input does.
"""

import json
import socket
import sys
import threading

import boto3
from moto import settings
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

away = threading.Event()
careless = threading.Event()
solid = threading.Event()
held = threading.Event()
go = threading.Event()
# A storage looks whether something is there and writes in one step; moto does not, of two that come at once.
writing = threading.Lock()
# How many listings from now on one is held.
until_held = iter(())
moto = DomainDispatcherApplication(create_backend_app)


def storage(environ, start_response):
    photo = environ["REQUEST_METHOD"] == "PUT" and "/photos/" in environ["PATH_INFO"].removeprefix("/photos/")
    if away.is_set() or (solid.is_set() and photo and "HTTP_IF_NONE_MATCH" not in environ):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError
    if "list-type=2" in environ["QUERY_STRING"] and next(until_held, None) == 0:
        held.set()
        go.wait()
    if careless.is_set():
        environ.pop("HTTP_IF_NONE_MATCH", None)
    if "HTTP_IF_NONE_MATCH" in environ:
        with writing:
            return moto(environ, start_response)
    return moto(environ, start_response)


server = make_server("127.0.0.1", 0, storage, True, request_handler=MotoRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
own = {"endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "own", "aws_secret_access_key": "own"}
s3 = boto3.client("s3", **own)
s3.create_bucket(Bucket="photos")
iam = boto3.client("iam", **own)
iam.create_user(UserName="server")
statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
iam.put_user_policy(UserName="server", PolicyName="photos", PolicyDocument=policy)
key = iam.create_access_key(UserName="server")["AccessKey"]


def rot():
    for it in s3.list_objects_v2(Bucket="photos")["Contents"]:
        if "/photos/" in it["Key"]:
            body = bytearray(s3.get_object(Bucket="photos", Key=it["Key"])["Body"].read())
            body[len(body) // 2] ^= 1
            s3.put_object(Bucket="photos", Key=it["Key"], Body=bytes(body))


# From here on keys and signatures are looked at.
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
print(url, key["AccessKeyId"], key["SecretAccessKey"], flush=True)

for line in sys.stdin:
    word = line.strip()
    if word == "away":
        away.set()
    elif word == "back":
        away.clear()
    elif word == "careless":
        # What a signature covers is not left out unseen.
        settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
        careless.set()
    elif word == "hold":
        until_held = iter((1, 0))
    elif word == "held" and not held.is_set():
        word = "not yet"
    elif word == "solid":
        solid.set()
    elif word == "soft":
        solid.clear()
    elif word == "go":
        go.set()
    elif word == "rot":
        settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
        rot()
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    print(word, flush=True)
