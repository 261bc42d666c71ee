// Ordinary calls of @bitrix24/b24jssdk against a portal. Arguments: one JSON text; prints one JSON text.
import { B24OAuth } from '@bitrix24/b24jssdk'

const { oauth, secret, chatId } = JSON.parse(process.argv[2])
// Hotter than a portal allows, so that the portal has something to refuse and the test is quick.
const rateLimit = { burstLimit: 100, drainRate: 50, adaptiveEnabled: false }
const restrictionParams = { maxRetries: 5, retryDelay: 50, rateLimit }
const b24 = new B24OAuth(oauth, secret, { restrictionParams })
b24.offClientSideWarning()

const renewed = []
b24.setCallbackRefreshAuth(async ({ b24OAuthParams }) => { renewed.push(b24OAuthParams.refreshToken) })

const { call, callList, fetchList, batch, batchByChunk } = b24.actions.v2

async function outcome(work) {
  try {
    const result = await work()
    return { ok: result.isSuccess, data: result.getData(), errors: result.getErrorMessages() }
  } catch (error) {
    return { ok: false, code: error.code, status: error.status, errors: [error.message] }
  }
}

const report = {}
report.profile = await outcome(() => call.make({ method: 'profile' }))
report.renewed = renewed
report.scope = await outcome(() => call.make({ method: 'scope' }))
report.list = await outcome(() => callList.make({ method: 'user.get', params: {} }))
report.pages = []
for await (const page of fetchList.make({ method: 'user.get', params: {} })) {
  report.pages.push(page.length)
}
report.batch = await outcome(() => batch.make({
  calls: { me: ['profile', {}], card: ['im.user.get', { ID: '$result[me][ID]' }], nobody: ['im.user.get', { ID: 404 }] },
  options: { isHaltOnError: false, returnAjaxResult: false }
}))
report.chunks = await outcome(() => batchByChunk.make({
  calls: Array.from({ length: 120 }, () => ['server.time', {}]),
  options: { isHaltOnError: true, returnAjaxResult: false }
}))
report.handOver = await outcome(() => call.make({ method: 'imopenlines.bot.session.operator', params: { CHAT_ID: chatId } }))
report.handOverAgain = await outcome(() => call.make({ method: 'imopenlines.bot.session.operator', params: { CHAT_ID: chatId } }))
report.burst = (await Promise.all(Array.from({ length: 12 }, () => outcome(() => call.make({ method: 'server.time' })))))
  .filter((answer) => answer.ok).length
process.stdout.write(JSON.stringify(report))
b24.destroy()
