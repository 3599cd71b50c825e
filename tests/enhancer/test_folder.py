"""Images enhanced elsewhere: copies as other systems write their names."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image

from sgz_bench.enhancer.folder import Folder


def test_hidden_copies_are_passed_over_and_names_are_found_in_their_other_unicode_form(tmp_path: Path) -> None:
    nfd, nfc = (unicodedata.normalize(form, "Größe") for form in ("NFD", "NFC"))
    picture = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    for name in (f"Bus/{nfd}.PNG", f"Bus/._{nfd}.png", f".ipynb_checkpoints/{nfd}.png", "__MACOSX/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture.save(tmp_path / name)
    folder = Folder(str(tmp_path))
    assert list(folder.files) == [f"Bus/{nfd}"]
    for key in (f"Bus/{nfc}", nfc, f"val/Bus/{nfc}"):
        assert not folder.lacks(key)
    assert folder.lacks("us/" + nfc)
