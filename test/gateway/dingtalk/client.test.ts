import { describe, expect, test } from 'vitest'
import { createDingTalkClient, type DingTalkClient, signWebhook } from '../../../gateway/dingtalk/client.ts'
import type { HttpAnswer, HttpRequest } from '../../../gateway/ports.ts'
import { createRedactor } from '../../../gateway/redactor.ts'
import { createWorld, settled, VIRTUAL_ORIGIN, virtualHttp, type World } from './world.ts'

const APP = { clientId: 'dingdemoclient', clientSecret: 'demo-client-secret', robotCode: 'dingdemoclient' }
const WEBHOOK = { token: 'demo-purchasing-token', secret: 'SECdemo-purchasing-secret' }
const MESSAGE = { title: 'T', text: 'x' }
const { signal } = new AbortController()

function clientOf(
  world: World,
  options: Partial<Parameters<typeof createDingTalkClient>[0]> = {},
): DingTalkClient {
  return createDingTalkClient({
    api: VIRTUAL_ORIGIN,
    oapi: VIRTUAL_ORIGIN,
    app: APP,
    http: virtualHttp(world.time, world.dingtalk),
    runtime: world.time.runtime,
    redactor: createRedactor([WEBHOOK.token, WEBHOOK.secret, APP.clientSecret]),
    ...options,
  })
}

const inTime = (world: World) => world.time.runtime.mono() + 15_000_000_000n

test('signs a webhook as in the vector of the facts', () => {
  expect(signWebhook('this is secret', '1577262236757')).toBe('hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM=')
})

describe('the access token', () => {
  test('is asked for once by any number of calls at a time, and kept until five minutes before its end [F23]', async () => {
    const world = await createWorld()
    const client = clientOf(world)
    const asked = () => world.dingtalk.requests.get('/v1.0/oauth2/accessToken')
    const send = () => client.sendToUsers(['0171234567'], MESSAGE, inTime(world), signal)
    await settled(world, Promise.all([send(), send(), send()]))
    expect(asked()).toBe(1)
    await world.pass(6_800_000)
    await settled(world, send())
    expect(asked()).toBe(1)
    await world.pass(100_000)
    await settled(world, send())
    expect(asked()).toBe(2)
  })

  test('is renewed when DingTalk no longer accepts it, and the message goes out once [F23]', async () => {
    const world = await createWorld()
    const client = clientOf(world)
    await settled(world, client.sendToUsers(['0171234567'], MESSAGE, inTime(world), signal))
    world.dingtalk.faults.push({ path: '/v1.0/robot/', kind: 'token', times: 1, after: 0, delayMs: 0 })
    const sent = await settled(world, client.sendToUsers(['0171234567'], MESSAGE, inTime(world), signal))
    expect(sent.kind).toBe('sent')
    expect(world.dingtalk.outbox).toHaveLength(2)
  })

  test('is not asked for in a circle', async () => {
    const world = await createWorld()
    world.dingtalk.faults.push({ path: '/v1.0/robot/', kind: 'token', times: 9, after: 0, delayMs: 0 })
    const sent = await settled(
      world,
      clientOf(world).sendToUsers(['0171234567'], MESSAGE, inTime(world), signal),
    )
    expect(sent).toMatchObject({ kind: 'refused', code: 'TOKEN' })
    expect(world.dingtalk.requests.get('/v1.0/robot/oToMessages/batchSend')).toBe(2)
  })

  test('that cannot be had leaves the message unsent, not unknown', async () => {
    const world = await createWorld()
    const ask = (kind: '500' | 'reset-after' | 'html') => {
      world.dingtalk.faults.push({ path: '/v1.0/oauth2', kind, times: 1, after: 0, delayMs: 0 })
      return settled(world, clientOf(world).sendToGroup('cid', MESSAGE, inTime(world), signal))
    }
    expect((await ask('500')).kind).toBe('unreachable')
    expect((await ask('reset-after')).kind).toBe('unreachable')
    expect(await ask('html')).toMatchObject({ kind: 'throttled', waitMs: 300_000 })
    const wrong = clientOf(world, { app: { ...APP, clientSecret: 'wrong' } })
    expect(await settled(world, wrong.sendToGroup('cid', MESSAGE, inTime(world), signal))).toMatchObject({
      kind: 'refused',
      code: 'invalidClientIdOrSecret',
    })
  })
})

test('names who gets nothing although the call succeeds', async () => {
  const world = await createWorld()
  world.dingtalk.flowControlled.add('0181234567')
  const users = ['0171234567', '0181234567', 'nobody']
  const sent = await settled(world, clientOf(world).sendToUsers(users, MESSAGE, inTime(world), signal))
  expect(sent.kind === 'sent' && [...sent.left]).toEqual([
    ['0181234567', 'flow-controlled'],
    ['nobody', 'invalid'],
  ])
  expect(world.dingtalk.outbox.map(({ chat }) => chat)).toEqual(['user:0171234567'])
})

test('sends the same msgUuid once', async () => {
  const world = await createWorld()
  const send = (uuid: string) =>
    settled(world, clientOf(world).sendToWebhook(WEBHOOK, uuid, MESSAGE, inTime(world), signal))
  expect([await send('u1'), await send('u1'), await send('u2')].map(({ kind }) => kind)).toEqual([
    'sent',
    'sent',
    'sent',
  ])
  expect(world.dingtalk.outbox).toHaveLength(2)
})

test('cuts what is too long for its channel, by bytes, and is accepted', async () => {
  const world = await createWorld()
  const long = { title: 'T', text: '螺栓"\\\\🔩\n'.repeat(4_000) }
  const client = clientOf(world)
  await settled(world, client.sendToUsers(['0171234567'], long, inTime(world), signal))
  await settled(world, client.sendToWebhook(WEBHOOK, 'u', long, inTime(world), signal))
  const [toUser, toGroup] = world.dingtalk.outbox
  const param = (JSON.parse(toUser?.raw ?? '{}') as { msgParam: string }).msgParam
  expect(Buffer.byteLength(param)).toBeLessThanOrEqual(15_000)
  expect(Buffer.byteLength(param)).toBeGreaterThan(14_970)
  expect(Buffer.byteLength(toGroup?.raw ?? '')).toBeLessThanOrEqual(20_000)
  expect(Buffer.byteLength(toGroup?.raw ?? '')).toBeGreaterThan(19_970)
  for (const message of [toUser, toGroup]) expect(message?.text.endsWith('…')).toBe(true)
})

test('never mentions anybody by itself', async () => {
  const world = await createWorld()
  await settled(world, clientOf(world).sendToWebhook(WEBHOOK, 'u', MESSAGE, inTime(world), signal))
  expect(JSON.parse(world.dingtalk.outbox[0]?.raw ?? '{}')).not.toHaveProperty('at')
})

test('sends nothing when no time is left', async () => {
  const world = await createWorld()
  const sent = await clientOf(world).sendToWebhook(WEBHOOK, 'u', MESSAGE, world.time.runtime.mono(), signal)
  expect(sent).toEqual({ kind: 'unreachable', reason: 'No time was left to send it' })
  expect(world.dingtalk.requests.size).toBe(0)
})

test('shows no credential in anything that it says of a failure', async () => {
  const world = await createWorld()
  const answers: readonly HttpAnswer[] = [
    { kind: 'failed', reason: 'ECONNREFUSED' },
    { kind: 'unknown', reason: 'reset' },
    { kind: 'answered', status: 200, headers: {}, body: '{"errcode":310000,"errmsg":"sign not match"}' },
    { kind: 'answered', status: 400, headers: {}, body: '{"code":"InvalidAuthentication","message":"x"}' },
    { kind: 'answered', status: 200, headers: {}, body: '<html></html>' },
    { kind: 'answered', status: 500, headers: {}, body: '' },
  ]
  const requests: HttpRequest[] = []
  for (const answer of answers) {
    const http = {
      async send(request: HttpRequest) {
        requests.push(request)
        return answer
      },
    }
    const client = clientOf(world, { http })
    const told = [
      await client.sendToWebhook(WEBHOOK, 'u', MESSAGE, inTime(world), signal),
      await client.sendToUsers(['1'], MESSAGE, inTime(world), signal),
    ]
    for (const secret of [WEBHOOK.token, WEBHOOK.secret, APP.clientSecret, 'sign=']) {
      expect(JSON.stringify(told)).not.toContain(secret)
    }
  }
  expect(requests).toHaveLength(12)
})

describe('who answers with what was sent', () => {
  const sent = ({ url, headers, body }: HttpRequest) =>
    `${JSON.stringify(headers)} ${new URL(url).searchParams.get('access_token')} ${body} ${url}`
  const refusals = {
    plainly: sent,
    'in a URL': (request: HttpRequest) => encodeURIComponent(sent(request)),
    'so far behind that it is cut': (request: HttpRequest) => `${'.'.repeat(285)}${sent(request)}`,
  }

  test.each(Object.entries(refusals))('%s has no credential of it recorded', async (_, words) => {
    const world = await createWorld()
    const virtual = virtualHttp(world.time, world.dingtalk)
    const http = {
      async send(request: HttpRequest, inner: AbortSignal): Promise<HttpAnswer> {
        if (request.url.endsWith('/accessToken') && isKind) return virtual.send(request, inner)
        const [errmsg, message] = [words(request), words(request)]
        const body = JSON.stringify(
          request.url.includes('/robot/send') ? { errcode: 310_000, errmsg } : { code: 'odd', message },
        )
        return { kind: 'answered', status: 400, headers: {}, body }
      },
    }
    let isKind = false
    const client = clientOf(world, { http })
    const told = [
      await client.sendToWebhook(WEBHOOK, 'u', MESSAGE, inTime(world), signal),
      await client.sendToUsers(['1'], MESSAGE, inTime(world), signal),
    ]
    isKind = true
    told.push(await settled(world, client.sendToUsers(['1'], MESSAGE, inTime(world), signal)))
    const [token = ''] = [...world.dingtalk.tokens.values()].map((held) => held.token)
    expect(token).not.toBe('')
    for (const secret of [WEBHOOK.token, APP.clientSecret, token]) {
      expect(JSON.stringify(told)).not.toContain(secret.slice(0, 12))
    }
    expect(told.map(({ kind }) => kind)).toEqual(['refused', 'refused', 'refused'])
  })

  test('is shown in one line, without characters that move a cursor', async () => {
    const world = await createWorld()
    const body = JSON.stringify({ errcode: 310_000, errmsg: 'a\u001b[2Jb\nc\u202e' })
    const http = {
      send: async (): Promise<HttpAnswer> => ({ kind: 'answered', status: 200, headers: {}, body }),
    }
    const told = await clientOf(world, { http }).sendToWebhook(WEBHOOK, 'u', MESSAGE, inTime(world), signal)
    expect(told).toMatchObject({ reason: '310000: a\\x1b[2Jb\\nc\\u202e' })
  })
})
