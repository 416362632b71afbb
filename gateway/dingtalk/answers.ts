/** What an answer of DingTalk means, whatever HTTP status it came with. `reason` is in the service's own words. */
export type Verdict = Readonly<
  | { kind: 'ok'; body: Body }
  /** Not carried out: the access token is not accepted. */
  | { kind: 'token'; reason: string }
  /** Not carried out: ask again, not before `waitMs`. */
  | { kind: 'throttled'; waitMs: number; reason: string }
  /** May have been carried out; worth repeating where the call has an idempotency key. */
  | { kind: 'transient'; reason: string }
  /** Not carried out, and never will be. */
  | { kind: 'refused'; code: string; reason: string }
  /** DingTalk answered something that cannot be read: may have been carried out. */
  | { kind: 'unclear'; reason: string }
>

export type Body = Readonly<Record<string, unknown>>

/** An answer of `api.dingtalk.com`: success is the payload itself, failure `{code, message, requestid}`. */
export function readNew(status: number, text: string): Verdict {
  const parsed = parse(status, text)
  if (parsed.kind !== 'ok') return parsed
  const { code, message, errcode } = parsed.body
  // A path that the gateway does not know is answered in the old form with HTTP 200.
  if (code === undefined && errcode !== undefined) return readOld(status, text)
  if (typeof code !== 'string') return status < 400 ? parsed : byStatus(status, 'without a code')
  const reason = `${code}: ${String(message ?? '')}`
  const known = byCode(code, reason, NEW_CODES)
  if (known !== null) return known
  // "system.busy" and "systemBusy" come with 429 (not taken) and with 5xx (who knows): here the status tells.
  return status === 429 || status >= 500 ? byStatus(status, reason) : { kind: 'refused', code, reason }
}

/** An answer of `oapi.dingtalk.com`: HTTP 200 whatever happened, `errcode` tells, and behind 88 its `sub_code`. */
export function readOld(status: number, text: string): Verdict {
  const parsed = parse(status, text)
  if (parsed.kind !== 'ok') return parsed
  const { errcode, sub_code: subCode, errmsg, sub_msg: subMessage } = parsed.body
  // errcode comes as a number or as a string ("0"); sub_code is always a string.
  if (typeof errcode !== 'number' && typeof errcode !== 'string') {
    return status < 400
      ? { kind: 'unclear', reason: `HTTP ${status} without errcode` }
      : byStatus(status, 'without errcode')
  }
  if (String(errcode) === '0') return parsed
  const isWrapped = String(errcode) === '88' && (typeof subCode === 'string' || typeof subCode === 'number')
  const code = String(isWrapped ? subCode : errcode)
  const reason = `${code}: ${String((isWrapped ? (subMessage ?? errmsg) : errmsg) ?? '')}`
  return byCode(code, reason, OLD_CODES) ?? { kind: 'refused', code, reason }
}

type Rule = 'token' | 'transient' | Readonly<{ waitMs: number }>

const SECOND: Rule = { waitMs: 1_000 }
const MINUTE: Rule = { waitMs: 60_000 }
/** Over 20 messages a minute a webhook is shut for ten minutes; asking earlier keeps it shut. */
const WEBHOOK_PENALTY: Rule = { waitMs: 600_000 }
/** A public address with more than 10 000 calls in 20 s is barred for five minutes. */
const BARRED_MS = 300_000

/** Codes compare exactly: their case and spelling are inconsistent in the real service. */
export const NEW_CODES: Readonly<Record<string, Rule>> = {
  InvalidAuthentication: 'token',
  'AuthenticationFailed.*': 'token',
  'Forbidden.AccessDenied.QpsLimit*': SECOND,
  'Forbidden.AccessDenied.QpmLimit*': MINUTE,
  'request.too.frequent': SECOND,
  'send.too.fast': SECOND,
  'send.byToken.tooFast': SECOND,
  'too.many.group': SECOND,
  'too.many.people': SECOND,
  requestTooMuch: SECOND,
  'qps.exceed.limit': SECOND,
  'todo.taskCreate.flowControlError': SECOND,
  idempotencyProcessing: SECOND,
  'system.error': 'transient',
  systemError: 'transient',
  'send.ding.exception': 'transient',
  ServiceUnavailable: 'transient',
  operationTimeout: 'transient',
  'service.timeout': 'transient',
}

export const OLD_CODES: Readonly<Record<string, Rule>> = {
  '40001': 'token',
  '40014': 'token',
  '42001': 'token',
  '90002': SECOND,
  '90018': SECOND,
  '90005': MINUTE,
  '90006': MINUTE,
  '143103': MINUTE,
  '143104': MINUTE,
  '660026': WEBHOOK_PENALTY,
  '130101': WEBHOOK_PENALTY,
  '410100': WEBHOOK_PENALTY,
  '-1': 'transient',
}

function byCode(code: string, reason: string, rules: Readonly<Record<string, Rule>>): Verdict | null {
  const pattern = Object.keys(rules).find((known) =>
    known.endsWith('*') ? code.startsWith(known.slice(0, -1)) : code === known,
  )
  const rule = pattern === undefined ? undefined : rules[pattern]
  if (rule === undefined) return null
  if (rule === 'token') return { kind: 'token', reason }
  if (rule === 'transient') return { kind: 'transient', reason }
  return { kind: 'throttled', waitMs: rule.waitMs, reason }
}

function byStatus(status: number, what: string): Verdict {
  if (status === 429) return { kind: 'throttled', waitMs: 1_000, reason: `HTTP 429, ${what}` }
  if (status >= 500) return { kind: 'transient', reason: `HTTP ${status}, ${what}` }
  return { kind: 'refused', code: `HTTP ${status}`, reason: `HTTP ${status}, ${what}` }
}

function parse(status: number, text: string): Verdict {
  const body = parseObject(text)
  if (body === null) {
    // The address bar of DingTalk's front answers with a page or with `status: 1111`, and passes nothing on. A page
    // with 5xx is another matter: it may stand for a call that was carried out.
    if (/^\s*</.test(text) && status < 500) {
      return {
        kind: 'throttled',
        waitMs: BARRED_MS,
        reason: `HTTP ${status} with a page instead of an answer`,
      }
    }
    if (status >= 400) return byStatus(status, 'without a readable body')
    return { kind: 'unclear', reason: `HTTP ${status} with an unreadable body` }
  }
  if (String(body['status']) === '1111' && body['errcode'] === undefined && body['code'] === undefined) {
    return {
      kind: 'throttled',
      waitMs: BARRED_MS,
      reason: 'status 1111: this public address is barred for a while',
    }
  }
  return { kind: 'ok', body }
}

function parseObject(text: string): Body | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : null
  } catch {
    return null
  }
}
