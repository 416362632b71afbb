import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DingTalk, startDingTalk } from './server.ts'

// What the emulator says is compared with what the real service was seen to say.

let now = Date.UTC(2026, 2, 2)
let dingtalk: DingTalk

beforeEach(async () => {
  now = Date.UTC(2026, 2, 2)
  dingtalk = await startDingTalk({ clock: () => now, control: true })
})

afterEach(() => dingtalk.close())

async function call(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(dingtalk.origin + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

async function token(): Promise<string> {
  const { body } = await call('/v1.0/oauth2/accessToken', {
    appKey: 'dingdemoclient',
    appSecret: 'demo-client-secret',
  })
  return String(body['accessToken'])
}

const SAID = { msgKey: 'sampleMarkdown', msgParam: '{"title":"T","text":"x"}' }
const TO_USERS = '/v1.0/robot/oToMessages/batchSend'
const TO_GROUP = '/v1.0/robot/groupMessages/send'

async function robot(path: string, body: object) {
  return call(
    path,
    { robotCode: 'dingdemoclient', ...SAID, ...body },
    { 'x-acs-dingtalk-access-token': await token() },
  )
}

function webhook(
  query: Readonly<Record<string, string>>,
  body: unknown,
  headers?: Readonly<Record<string, string>>,
) {
  return call(`/robot/send?${new URLSearchParams(query)}`, body, headers)
}

function signed(at = now, secret = 'SECdemo-purchasing-secret') {
  const sign = createHmac('sha256', secret).update(`${at}\n${secret}`).digest('base64')
  return { access_token: 'demo-purchasing-token', timestamp: String(at), sign }
}

const MARKDOWN = { msgtype: 'markdown', markdown: { title: 'T', text: 'x' } }

describe('the access token', () => {
  test('stays the same until its end, is renewed by asking, and then is another', async () => {
    const first = await token()
    now += 7_000_000
    expect(await token()).toBe(first)
    now += 7_000_000
    expect(await token()).toBe(first)
    now += 7_200_000
    expect(await token()).not.toBe(first)
  })

  test('is refused for a wrong secret, in the words of each family', async () => {
    const wrong = await call('/v1.0/oauth2/accessToken', { appKey: 'dingdemoclient', appSecret: 'x' })
    expect(wrong).toMatchObject({
      status: 400,
      body: { code: 'invalidClientIdOrSecret', message: '无效的clientId或者clientSecret' },
    })
    const old = await fetch(`${dingtalk.origin}/gettoken?appkey=dingdemoclient&appsecret=x`)
    expect([old.status, await old.json()]).toEqual([
      200,
      { errcode: 40096, errmsg: '不合法的appKey或appSecret' },
    ])
  })

  test('is one for both families', async () => {
    const old = await fetch(`${dingtalk.origin}/gettoken?appkey=dingdemoclient&appsecret=demo-client-secret`)
    expect(await old.json()).toEqual({
      errcode: 0,
      errmsg: 'ok',
      access_token: await token(),
      expires_in: 7200,
    })
  })
})

describe('the app robot', () => {
  test('answers 400 without a token and with a wrong one', async () => {
    expect(await call(TO_USERS, {})).toMatchObject({
      status: 400,
      body: {
        code: 'AuthenticationFailed.MissingParameter',
        message: '缺少参数：x-acs-dingtalk-access-token',
      },
    })
    expect(await call(TO_USERS, {}, { 'x-acs-dingtalk-access-token': 'x' })).toMatchObject({
      status: 400,
      body: { code: 'InvalidAuthentication', message: '不合法的access_token', requestid: expect.any(String) },
    })
  })

  test.each([
    [{ robotCode: '' }, 'invalidParameter.robotCode.empty'],
    [{ robotCode: 'other' }, 'invalidParameter.robotCode.notExsit'],
    [{ msgKey: '' }, 'invalidParameter.msgKey.empty'],
    [{ msgKey: 'sampleOther' }, 'invalidParameter.msgKey.invalid'],
    [{ msgParam: { title: 'T', text: 'x' } }, 'invalidParameter.msgParam.invalid'],
    [
      { msgParam: JSON.stringify({ title: 'T', text: 'x'.repeat(15_000) }) },
      'invalidParameter.msgParam.tooLong',
    ],
    [{ userIds: [] }, 'invalidParameter.userIds.empty'],
    [{ userIds: Array(21).fill('0171234567') }, 'invalidParameter.userIds.overMax'],
  ])('refuses %j', async (body, code) => {
    expect(await robot(TO_USERS, { userIds: ['0171234567'], ...body })).toMatchObject({
      status: 400,
      body: { code },
    })
    expect(dingtalk.outbox()).toEqual([])
  })

  test('answers 200 and lists who gets nothing', async () => {
    dingtalk.state.flowControlled.add('0181234567')
    expect(await robot(TO_USERS, { userIds: ['0171234567', '0181234567', 'x'] })).toEqual({
      status: 200,
      body: {
        processQueryKey: expect.any(String),
        invalidStaffIdList: ['x'],
        flowControlledStaffIdList: ['0181234567'],
      },
    })
  })

  test('writes to a group that it knows', async () => {
    const openConversationId = 'cidWarehouse0000000000000000001=='
    expect((await robot(TO_GROUP, { openConversationId })).status).toBe(200)
    expect((await robot(TO_GROUP, {})).body).toMatchObject({ code: 'miss.openConversationId' })
    expect((await robot(TO_GROUP, { openConversationId: 'x' })).body).toMatchObject({
      code: 'invalid.openConversationId',
    })
  })

  test('answers 403 to the 21st call of a second, and counts each API apart', async () => {
    const openConversationId = 'cidWarehouse0000000000000000001=='
    for (let count = 0; count < 20; count += 1)
      expect((await robot(TO_GROUP, { openConversationId })).status).toBe(200)
    expect(await robot(TO_GROUP, { openConversationId })).toMatchObject({
      status: 403,
      body: { code: 'Forbidden.AccessDenied.QpsLimitForAppkeyAndApi' },
    })
    expect((await robot(TO_USERS, { userIds: ['0171234567'] })).status).toBe(200)
    now += 1_000
    expect((await robot(TO_GROUP, { openConversationId })).status).toBe(200)
  })

  test('takes no form', async () => {
    const headers = {
      'x-acs-dingtalk-access-token': await token(),
      'content-type': 'application/x-www-form-urlencoded',
    }
    expect(await call(TO_USERS, 'a=b', headers)).toMatchObject({
      status: 400,
      body: { code: 'Missingbody', message: 'body is mandatory for this action.' },
    })
  })
})

describe('a webhook', () => {
  test('answers 200 whatever happens', async () => {
    const finance = { access_token: 'demo-finance-token' }
    const said = async (...given: Parameters<typeof webhook>) => {
      const { status, body } = await webhook(...given)
      return [status, body['errcode'], body['errmsg']]
    }
    expect(await said(signed(), MARKDOWN)).toEqual([200, 0, 'ok'])
    expect(await said({ access_token: 'x' }, MARKDOWN)).toEqual([200, 300005, 'token is not exist'])
    expect(await said({ access_token: 'demo-purchasing-token' }, MARKDOWN)).toEqual([
      200,
      310000,
      'invalid timestamp',
    ])
    expect(await said(signed(now - 3_600_001), MARKDOWN)).toEqual([200, 310000, 'invalid timestamp'])
    expect(await said(signed(now - 3_600_000), MARKDOWN)).toEqual([200, 0, 'ok'])
    expect(await said(signed(now, 'SECother'), MARKDOWN)).toEqual([200, 310000, 'sign not match'])
    expect(await said(finance, MARKDOWN)).toEqual([200, 310000, 'keywords not in content'])
    const payment = { msgtype: 'text', text: { content: 'Payment 1' } }
    expect(await said(finance, payment)).toEqual([200, 0, 'ok'])
    expect(await said(signed(), '')).toEqual([200, 40035, '缺少参数 json'])
    expect(await said(signed(), MARKDOWN, { 'content-type': 'text/plain' })).toEqual([
      200,
      43004,
      expect.any(String),
    ])
    expect(await said(signed(), { msgtype: 'poem', poem: {} })).toEqual([200, 400105, expect.any(String)])
    const long = { msgtype: 'markdown', markdown: { title: 'T', text: 'x'.repeat(20_000) } }
    expect(await said(signed(), long)).toEqual([200, 460101, 'message too long, exceed 20000 bytes'])
    expect(dingtalk.outbox()).toHaveLength(3)
  })

  test('sends a msgUuid once', async () => {
    for (const msgUuid of ['u1', 'u1', 'u2']) {
      expect((await webhook(signed(), { ...MARKDOWN, msgUuid })).body).toEqual({ errcode: 0, errmsg: 'ok' })
    }
    expect(dingtalk.outbox()).toHaveLength(2)
  })

  test('is shut for ten minutes after the 21st message of a minute, and longer for each that comes then', async () => {
    for (let count = 0; count < 20; count += 1)
      expect((await webhook(signed(), MARKDOWN)).body['errcode']).toBe(0)
    const shut = { errcode: 660026, errmsg: 'sending too many messages per minute' }
    expect((await webhook(signed(), MARKDOWN)).body).toEqual(shut)
    now += 599_000
    expect((await webhook(signed(), MARKDOWN)).body).toEqual(shut)
    now += 599_000
    expect((await webhook(signed(), MARKDOWN)).body).toEqual(shut)
    now += 600_000
    expect((await webhook(signed(), MARKDOWN)).body['errcode']).toBe(0)
  })
})

describe('the control plane', () => {
  test('does not answer unless it is asked for', async () => {
    const plain = await startDingTalk()
    const answer = await fetch(`${plain.origin}/__emu/outbox`)
    expect(await answer.json()).toMatchObject({ errcode: 404 })
    await plain.close()
  })

  test('shows the outbox, moves the clock, sets faults and forgets', async () => {
    await webhook(signed(), MARKDOWN)
    const outbox = async () =>
      (await (await fetch(`${dingtalk.origin}/__emu/outbox`)).json()) as { messages: object[] }
    expect((await outbox()).messages).toMatchObject([
      { title: 'T', chat: 'group:cidPurchasing000000000000000001==' },
    ])
    expect((await call('/__emu/clock', { advanceMs: 60_000 })).body).toEqual({ now: now + 60_000 })
    await call('/__emu/faults', [{ path: '/robot/send', kind: 'barred' }])
    expect((await webhook(signed(), MARKDOWN)).body).toMatchObject({ status: 1111, punish: 'deny' })
    await call('/__emu/faults', [{ path: '/robot/send', kind: 'html' }])
    const page = await fetch(`${dingtalk.origin}/robot/send`, { method: 'POST', body: '{}' })
    expect(await page.text()).toMatch(/^<!doctype html>/)
    await call('/__emu/reset', {})
    expect((await outbox()).messages).toEqual([])
  })
})

test('an unknown path is answered as each family does', async () => {
  expect(await call('/topapi/x', {})).toMatchObject({ status: 200, body: { errcode: 22 } })
  expect(await call('/v1.0/x', {})).toMatchObject({ status: 404, body: { code: 'InvalidAction.NotFound' } })
  expect(await call('/x', {})).toMatchObject({ status: 200, body: { errcode: 404 } })
})

test('the page shows no credential, and its policy allows no other place', async () => {
  const page = await fetch(dingtalk.origin)
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  const shown = (await page.text()) + (await (await fetch(`${dingtalk.origin}/page/state`)).text())
  for (const secret of ['demo-client-secret', 'demo-purchasing-token', 'SECdemo'])
    expect(shown).not.toContain(secret)
})
