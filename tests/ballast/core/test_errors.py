"""User errors are one line; bugs keep their traceback."""

import pytest

from ballast.core.errors import UserError, one_line_errors, one_line_interrupts, warn


def test_a_users_error_ends_the_process_with_its_message() -> None:
    with pytest.raises(SystemExit) as caught, one_line_errors():
        raise UserError("params.yaml: seed: must be an integer")
    assert caught.value.code == "ERROR: params.yaml: seed: must be an integer"


def test_ctrl_c_ends_the_process_with_one_word(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, one_line_errors():
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_any_other_error_passes() -> None:
    with pytest.raises(KeyError), one_line_errors():
        raise KeyError("a bug")


def test_a_message_is_one_line_whatever_a_name_holds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, one_line_errors():
        raise UserError("only one class, do\ng\x1b[31m é 日本")
    assert caught.value.code == r"ERROR: only one class, do\ng\x1b[31m é 日本"
    warn("class a\r\nb")
    assert capsys.readouterr().err == "WARNING: class a\\r\\nb\n"


def test_ctrl_c_that_reaches_the_hook_is_one_word_and_any_other_error_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        one_line_interrupts(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert caught.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
    one_line_interrupts(KeyError, KeyError("a bug"), None)
    assert capsys.readouterr().err == "KeyError: 'a bug'\n"
