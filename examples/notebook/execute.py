"""Executes a notebook with Deno's kernel and prints the text of its outputs. Arguments: the notebook, the deno program."""

import json
import os
import sys
import tempfile

import nbformat
from nbclient import NotebookClient

notebook, deno = sys.argv[1:3]
with tempfile.TemporaryDirectory() as folder:
    kernel = os.path.join(folder, "kernels", "deno")
    os.makedirs(kernel)
    with open(os.path.join(kernel, "kernel.json"), "w") as file:
        json.dump({"argv": [deno, "jupyter", "--kernel", "--conn", "{connection_file}"], "display_name": "Deno", "language": "typescript"}, file)
    os.environ["JUPYTER_PATH"] = folder
    document = nbformat.read(notebook, as_version=4)
    client = NotebookClient(document, timeout=120, kernel_name="deno", resources={"metadata": {"path": os.path.dirname(os.path.abspath(notebook))}})
    client.execute()

for cell in document.cells:
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            print(output.text, end="")
        elif output.output_type == "error":
            print(output.ename, output.evalue)
            sys.exit(1)
