"""Uploads a file as anybody's program would, each piece with its checksum, and gives up when the line breaks.

upload.py ENDPOINT TOKEN FILE HASH [URL]: with URL it goes on with what was begun.
"""

import sys

from tusclient.client import TusClient

endpoint, token, path, photo_hash, *url = sys.argv[1:]
client = TusClient(endpoint, headers={"Authorization": f"Bearer {token}"})
uploader = client.uploader(
    path, metadata={"hash": photo_hash}, chunk_size=50_000, upload_checksum=True, url=url[0] if url else None
)
if not url:
    uploader.set_url(uploader.create_url())
    uploader.offset = 0
print(uploader.url)
print(uploader.offset, flush=True)
uploader.upload()
print("done")
