"""The archive of Bitrix24 Open Lines: records every dialog and hands it over to an operator at once."""

__version__ = "0.1.0"
