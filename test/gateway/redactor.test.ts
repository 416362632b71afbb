import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createRedactor, REDACTED } from '../../gateway/redactor.ts'
import { sanitise } from '../../gateway/sanitise.ts'

const SECRETS = [
  'hunter2',
  'p@ss w&rd/100%?x=1+1',
  'quote"back\\slash',
  '密码很长的一个',
  'SEC7d1c00a1b2c3d4e5f60718293a4b5c6d',
  'a.b*c(d)[e]{f}^$|',
  '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----',
]

/** Ways in which a value gets into text, and with what each of them must not leave behind. */
const SLIPS: Readonly<Record<string, (secret: string) => string>> = {
  'as it is': (secret) => `login failed for reader/${secret}@k3db`,
  'in JSON': (secret) => JSON.stringify({ user: 'reader', password: secret }),
  'in a URL': (secret) => `https://oapi.example/robot/send?access_token=${encodeURIComponent(secret)}&x=1`,
  'in JSON inside JSON': (secret) => JSON.stringify({ body: JSON.stringify({ password: secret }) }),
  'in JSON inside a URL': (secret) => `?body=${encodeURIComponent(JSON.stringify({ password: secret }))}`,
  'in a URL of small letters': (secret) =>
    `?p=${encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase())}`,
  'in a form': (secret) => new URLSearchParams({ client_secret: secret }).toString(),
  'in base64': (secret) => `token ${Buffer.from(secret).toString('base64')}`,
  'in base64url': (secret) => `token ${Buffer.from(secret).toString('base64url')}`,
  'in hexadecimal': (secret) => `<${Buffer.from(secret).toString('hex')}>`,
  'in capital hexadecimal': (secret) => `<${Buffer.from(secret).toString('hex').toUpperCase()}>`,
  'made safe for a terminal': (secret) => `login failed: ${sanitise(secret)}`,
  'twice in a stack': (secret) => new Error(`bad ${secret}, really ${secret}`).stack ?? '',
}

describe.each(Object.entries(SLIPS))('a secret %s', (_, slip) => {
  test.each(SECRETS)('is blanked, whatever it looks like (%#)', (secret) => {
    const redactor = createRedactor(SECRETS)
    const text = redactor.redact(slip(secret))
    expect(text).toContain(REDACTED)
    expect(text).not.toContain(secret)
    expect(text).not.toBe(slip(secret))
    expect(redactor.redact(slip('').slice(0, 4))).toBe(slip('').slice(0, 4))
  })
})

test('blanks a long secret inside the base64 of basic authentication', () => {
  const secret = randomBytes(24).toString('hex')
  const redactor = createRedactor([secret])
  for (const user of ['a', 'ab', 'abc']) {
    const header = Buffer.from(`${user}:${secret}`).toString('base64')
    const left = redactor.redact(`Basic ${header}`).replace('Basic ', '').replace(REDACTED, '')
    expect(left.length).toBeLessThan(10)
  }
})

test('blanks single lines of a key, and not the frame that every key has', () => {
  const redactor = createRedactor(SECRETS)
  expect(redactor.redact('near BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj')).toBe(`near ${REDACTED}`)
  expect(redactor.redact('expected -----BEGIN PRIVATE KEY-----')).toBe('expected -----BEGIN PRIVATE KEY-----')
})

test('blanks the token of a robot that stands in an address, also where it stands alone', () => {
  const token = 'x/y+z=0123456789abcdef'
  const redactor = createRedactor([
    `https://oapi.example/robot/send?access_token=${encodeURIComponent(token)}&v=1`,
  ])
  expect(redactor.redact(`token ${token} is not exist, v=1`)).toBe(`token ${REDACTED} is not exist, v=1`)
})

test('blanks the longer of two secrets that begin alike', () => {
  expect(createRedactor(['abcd', 'abcdefgh']).redact('x abcdefgh y')).toBe(`x ${REDACTED} y`)
})

test('learns secrets while it is in use', () => {
  const redactor = createRedactor()
  expect(redactor.redact('hunter2')).toBe('hunter2')
  redactor.add('hunter2')
  expect(redactor.redact('hunter2')).toBe(REDACTED)
})

test('does not look for values that ordinary words hold', () => {
  const redactor = createRedactor(['abc', ''])
  expect(redactor.redact('abcdef')).toBe('abcdef')
})
