"""Avito: the messenger of adverts. Webhook and poller in, text and pictures out.

Messenger API: https://developers.avito.ru/api-catalog/messenger/documentation
"""
