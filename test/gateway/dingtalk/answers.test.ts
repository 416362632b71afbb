import { expect, test } from 'vitest'
import { NEW_CODES, OLD_CODES, readNew, readOld } from '../../../gateway/dingtalk/answers.ts'

const json = (body: unknown) => JSON.stringify(body)

// One row for each row of the tables, and for each trap that the real service is known for.
const NEW: readonly (readonly [code: string, status: number, kind: string, waitMs?: number | undefined])[] = [
  ['InvalidAuthentication', 400, 'token'],
  ['AuthenticationFailed.MissingParameter', 400, 'token'],
  ['Forbidden.AccessDenied.QpsLimitForAppkeyAndApi', 403, 'throttled', 1_000],
  ['Forbidden.AccessDenied.QpsLimitForApi', 403, 'throttled', 1_000],
  ['Forbidden.AccessDenied.QpmLimitForAppkeyAndApi', 403, 'throttled', 60_000],
  ['system.busy', 429, 'throttled', 1_000],
  ['systemBusy', 429, 'throttled', 1_000],
  ['system.busy', 503, 'transient'],
  ['request.too.frequent', 400, 'throttled', 1_000],
  ['send.too.fast', 400, 'throttled', 1_000],
  ['send.byToken.tooFast', 400, 'throttled', 1_000],
  ['too.many.group', 400, 'throttled', 1_000],
  ['too.many.people', 400, 'throttled', 1_000],
  ['requestTooMuch', 400, 'throttled', 1_000],
  ['qps.exceed.limit', 400, 'throttled', 1_000],
  ['todo.taskCreate.flowControlError', 400, 'throttled', 1_000],
  ['idempotencyProcessing', 400, 'throttled', 1_000],
  ['system.error', 500, 'transient'],
  ['systemError', 500, 'transient'],
  ['send.ding.exception', 500, 'transient'],
  ['ServiceUnavailable', 503, 'transient'],
  ['operationTimeout', 504, 'transient'],
  ['service.timeout', 500, 'transient'],
  ['some.new.code', 502, 'transient'],
  ['Forbidden.AccessDenied.AccessTokenPermissionDenied', 403, 'refused'],
  ['Forbidden.AccessDenied.IpNotInWhiteList', 403, 'refused'],
  ['Forbidden.AccessDenied.ApiCountLimitForOrg', 403, 'refused'],
  ['invalidParameter.robotCode.notExsit', 400, 'refused'],
  ['invalidParameter.userIds.overMax', 400, 'refused'],
  ['miss.param.robotCode', 400, 'refused'],
  ['sysErrror', 400, 'refused'],
  ['invalidauthentication', 400, 'refused'],
]

test.each(NEW)('reads %s with HTTP %i as %s', (code, status, kind, waitMs) => {
  const verdict = readNew(Number(status), json({ requestid: 'R', message: '无效', code }))
  expect(verdict).toMatchObject({ kind, ...(waitMs === undefined ? {} : { waitMs }) })
  expect('reason' in verdict && verdict.reason).toContain(code)
})

const OLD: readonly (readonly [body: object, kind: string, waitMs?: number])[] = [
  [{ errcode: 0, errmsg: 'ok' }, 'ok'],
  [{ errcode: '0', errmsg: 'ok' }, 'ok'],
  [{ errcode: 40001 }, 'token'],
  [{ errcode: 40014 }, 'token'],
  [{ errcode: 42001 }, 'token'],
  [{ errcode: 88, sub_code: '40014', sub_msg: '不合法的access_token' }, 'token'],
  [{ errcode: 88, sub_code: '42001' }, 'token'],
  [{ errcode: 88, sub_code: '90018' }, 'throttled', 1_000],
  [{ errcode: 90002 }, 'throttled', 1_000],
  [{ errcode: 90018 }, 'throttled', 1_000],
  [{ errcode: 90005 }, 'throttled', 60_000],
  [{ errcode: '90006' }, 'throttled', 60_000],
  [{ errcode: 143103 }, 'throttled', 60_000],
  [{ errcode: 143104 }, 'throttled', 60_000],
  [{ errcode: 660026, errmsg: 'sending too many messages per minute' }, 'throttled', 600_000],
  [{ errcode: 130101, errmsg: 'send too fast, exceed 20 times per minute' }, 'throttled', 600_000],
  [{ errcode: 410100 }, 'throttled', 600_000],
  [{ errcode: -1, errmsg: '系统繁忙' }, 'transient'],
  [{ errcode: '-1' }, 'transient'],
  [{ errcode: 88, sub_code: '60011' }, 'refused'],
  [{ errcode: 90020 }, 'refused'],
  [{ errcode: 310000, errmsg: 'sign not match' }, 'refused'],
  [{ errcode: 300005, errmsg: 'token is not exist' }, 'refused'],
  [{ errcode: 460101 }, 'refused'],
  [{ errcode: 22, errmsg: 'Invalid method' }, 'refused'],
]

test.each(OLD)('reads %j as %s', (body, kind, waitMs) => {
  expect(readOld(200, json(body))).toMatchObject({ kind, ...(waitMs === undefined ? {} : { waitMs }) })
})

test('holds a row for each code of its tables', () => {
  for (const code of Object.keys(NEW_CODES)) {
    const stem = code.replace('*', '')
    expect(
      NEW.some(([tried]) => tried.startsWith(stem)),
      code,
    ).toBe(true)
  }
  for (const code of Object.keys(OLD_CODES)) {
    expect(
      OLD.some(([body]) => Object.values(body).map(String).includes(code)),
      code,
    ).toBe(true)
  }
})

test.each([
  ['a page', 200, '<!doctype html><html>blocked</html>', 'throttled'],
  ['a page with a refusal', 405, ' <html></html>', 'throttled'],
  ['status 1111', 200, json({ status: 1111, wait: 5, source: 'x5', punish: 'deny', uuid: 'u' }), 'throttled'],
  ['status 1111 as text', 200, json({ status: '1111' }), 'throttled'],
])('waits five minutes after %s, on both families', (_name, status, body, kind) => {
  expect(readNew(status, body)).toMatchObject({ kind, waitMs: 300_000 })
  expect(readOld(status, body)).toMatchObject({ kind, waitMs: 300_000 })
})

test.each([
  ['an empty 500', 500, '', 'transient'],
  ['a page of a proxy', 502, '<html>Bad Gateway</html>', 'transient'],
  ['half an answer', 200, '{"processQueryKey":"abc', 'unclear'],
  ['a list', 200, '[]', 'unclear'],
])('takes %s for a call that may have been carried out', (_name, status, body, kind) => {
  expect(readNew(status, body).kind).toBe(kind)
  expect(readOld(status, body).kind).toBe(kind)
})

test('reads an old error on the new host, as it comes for an unknown path', () => {
  expect(readNew(200, json({ errcode: 404, errmsg: '请求的URI地址不存在' }))).toMatchObject({
    kind: 'refused',
    code: '404',
  })
})
