"""The employees who look after the bot: what they chose on the page inside the portal, and their chats with it."""

from .desk import Desk
from .jobs import StaffJobs

__all__ = ["Desk", "StaffJobs"]
