"""Packaging. `zoo/` at the top of the checkout is installed as `kgan.zoo`."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "kgan/__init__.py").read_text()).group(1)
ONNX = ["onnx>=1.17", "onnxruntime>=1.20"]  # to read others' weights
VIDEO = ["av>=14"]  # PyAV: files of videos
TOOLS = ("train", "translate", "edit", "evaluate", "export", "zoo", "benchmark", "demo")

setup(
    name="kgan",
    version=VERSION,
    description="A Keras model zoo of GANs that translate and edit images: train, translate, "
    "evaluate, export, serve.",
    long_description=(HERE / "README.md").read_text() if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    author="The kgan developers",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="gan keras tensorflow image-to-image cyclegan image-editing model-zoo",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
    python_requires=">=3.10,<3.14",
    packages=[*find_packages(include=["kgan", "kgan.*"]), "kgan.zoo"],
    package_dir={"kgan": "kgan", "kgan.zoo": "zoo"},
    package_data={"kgan.zoo": ["*.md", "weights/*/*", "weights/*/directions/*"]},
    install_requires=[
        "tensorflow>=2.20,<2.23",
        "keras>=3.15.1,<4; python_version >= '3.11'",
        "keras>=3.12.4,<3.13; python_version < '3.11'",  # the last for Python 3.10, with its fixes
        "tensorboard>=2.19",
        "tensorflow-datasets>=4.9.9",
        "importlib_resources>=6",  # tensorflow-datasets imports it without asking for it
        "numpy>=1.26",
        "pillow>=11.1",
        "absl-py>=2.1",
        "filelock>=4.1",  # from there on a lock file may be removed while it is held
        "scikit-image>=0.24",
        "scipy>=1.13",
        "scikit-learn>=1.5",
        "tqdm>=4.66",
        "ImageHash>=4.3",
        "dicebear-core>=10.7,<11",
        "dicebear-styles>=10.6,<11",
        "resvg-py>=0.5",
    ],
    extras_require={
        "video": VIDEO,
        "onnx": ONNX,
        "dev": ["pytest>=8", "pytest-xdist>=3.6", "ruff>=0.15", *VIDEO, *ONNX],
    },
    entry_points={
        "console_scripts": [f"kgan-{tool} = kgan.cli.start:{tool}" for tool in TOOLS],
    },
)
