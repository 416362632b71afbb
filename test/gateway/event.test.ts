import { CloudEvent, Kafka } from 'cloudevents'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ATTRIBUTES,
  decodeEvent,
  EVENT_HEADERS,
  EventError,
  type EventParts,
  encodeEvent,
  kindOf,
  partsOfSource,
  sourceOf,
  traceparent,
  typeOf,
} from '../../gateway/envelope.ts'
import { eventId, recordKey } from '../../gateway/identity.ts'

const DATA = {
  number: '5100000001',
  amount: { value: '88600.50', currency: 'CNY' },
  memo: '九月货款 "✓"\u2028',
}

const PARTS: EventParts = {
  entity: 'payment',
  action: 'changed',
  system: 'k3-wise',
  company: '001',
  subject: '5100000001/2026',
  recordKey: 'k3-wise/001/5100000001/2026',
  time: '2026-10-09T10:02:41+08:00',
  traceparent: traceparent(Uint8Array.from({ length: 24 }, (_, index) => index)),
  revision: 3,
  lineage: '019a2f3e-7c1b-7d20-9a55-0c6f3e2b1a00',
  contentHash: 'dCNOmK_nScY-12vHzasLXi',
  origin: 'live',
  sourceKey: '17',
  sourceFingerprint: 'qNBCNVRZHqYoINDiExjzul',
  mappingVersion: '3f9a',
  readOrder: 'n000000000012',
  changedFields: ['approvedAt', 'status'],
  data: new TextEncoder().encode(JSON.stringify(DATA)),
}

const published = (parts: EventParts) => decodeEvent(encodeEvent(parts))
const utf8 = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const written = (event: object) => new TextEncoder().encode(JSON.stringify(event))

describe('an event', () => {
  test('comes back from the log as it was published', () => {
    expect(published(PARTS)).toMatchObject({
      data: DATA,
      id: eventId(PARTS.lineage, PARTS.recordKey, 3, PARTS.contentHash),
      type: 'erp.payment.changed.v1',
      source: '/erp/k3-wise/001',
      dataschema: 'urn:erp-gateway:schema:payment.v1',
      changedfields: 'approvedAt,status',
    })
  })

  test('says nothing about changed fields where there is nothing to compare with', () => {
    expect(published({ ...PARTS, action: 'created', changedFields: null })).not.toHaveProperty(
      'changedfields',
    )
  })

  test('carries the attributes that the catalogue names, and no others', () => {
    const names = Object.keys(published(PARTS)).filter((name) => name !== 'data')
    expect(names).toEqual(ATTRIBUTES.map((attribute) => attribute.name))
  })

  test.each([
    ['a revision of 0', { revision: 0 }, 'revision'],
    ['a revision beyond 32 bits', { revision: 2 ** 31 }, 'revision'],
    ['no subject', { subject: '' }, 'subject'],
    ['a local time', { time: '2026-10-09T10:02:41' }, 'time'],
    ['a day that does not exist', { time: '2026-02-29T10:02:41Z' }, 'time'],
  ])('with %s is not published', (_what, wrong, attribute) => {
    expect(() => encodeEvent({ ...PARTS, ...wrong })).toThrow(`its attribute "${attribute}"`)
  })
})

describe('the official CloudEvents package', () => {
  const read = (parts: EventParts) => {
    const message = {
      key: parts.recordKey,
      value: utf8(encodeEvent(parts)),
      headers: EVENT_HEADERS,
    }
    const read = Kafka.toEvent({ ...message, body: message.value })
    if (Array.isArray(read)) throw new Error('One record holds one event.')
    return read as CloudEvent<unknown> & Record<string, unknown>
  }

  test('reads back what we write', () => {
    const event = published(PARTS)
    const { data, time, ...attributes } = event
    const back = read(PARTS)
    expect(back.validate()).toBe(true)
    expect(back).toMatchObject(attributes)
    expect(back.data).toEqual(data)
    expect(Date.parse(back.time ?? '')).toBe(Date.parse(time))
    expect(back.partitionkey).toBe(PARTS.recordKey)
  })

  test('accepts the envelope as strictly as it can', () => {
    expect(() => new CloudEvent({ ...published(PARTS) })).not.toThrow()
  })

  test('accepts systems, companies and keys of any spelling', () => {
    const part = fc.oneof(
      fc.string({ minLength: 1 }),
      fc.constantFrom('账套一', '公司/上海', '100%', 'a b', '?#', '😀'),
    )
    fc.assert(
      fc.property(part, part, part, (system, company, subject) => {
        const key = recordKey(system, company, subject)
        const back = read({ ...PARTS, system, company, subject, recordKey: key })
        expect(back.validate()).toBe(true)
        expect(back.subject).toBe(subject)
        expect(partsOfSource(back.source)).toEqual({ system, company })
      }),
    )
  })

  test('finds extension names of lower-case letters and digits, at most 20 of them', () => {
    for (const { name } of ATTRIBUTES) expect(name).toMatch(/^[a-z0-9]{1,20}$/)
  })
})

describe('a record that is not an event', () => {
  test.each([
    ['nothing', new Uint8Array(), null],
    ['bytes that are not UTF-8', Uint8Array.of(0x22, 0xff, 0x22), null],
    ['half a JSON', new TextEncoder().encode('{"specversion":'), null],
    ['a list', new TextEncoder().encode('[]'), null],
    ['null', new TextEncoder().encode('null'), null],
  ])('is refused with a reason: %s', (_what, bytes, attribute) => {
    expect(() => decodeEvent(bytes)).toThrow(EventError)
    expect(() => decodeEvent(bytes)).toThrow(expect.objectContaining({ attribute }))
  })

  test.each(ATTRIBUTES.filter((attribute) => attribute.isRequired).map(({ name }) => name))(
    'is refused without %s, by name',
    (name) => {
      const { [name]: _gone, ...rest } = published(PARTS)
      expect(() => decodeEvent(written(rest))).toThrow(`its attribute "${name}" is missing`)
    },
  )

  test.each([
    ['specversion', '0.3'],
    ['type', 'erp.payment.approved.v1'],
    ['source', '/erp/k3-wise'],
    ['source', '/erp/k3-wise/%E0%A4%A'],
    ['revision', '3'],
    ['revision', 1.5],
    ['origin', 'guess'],
    ['datacontenttype', 'text/xml'],
    ['sourcekey', 17],
    ['changedfields', ['status']],
  ])('is refused where %s is %j', (name, value) => {
    expect(() => decodeEvent(written({ ...published(PARTS), [name]: value }))).toThrow(`"${name}"`)
  })

  test('is refused where its bytes are not UTF-8, instead of losing characters', () => {
    const bytes = encodeEvent({ ...PARTS, subject: 'X' })
    const spoilt = bytes.with(bytes.indexOf(0x58), 0xff)
    expect(() => decodeEvent(spoilt)).toThrow('not JSON in UTF-8')
  })

  test.each([[null], [[]], ['text']])('is refused where data is %j', (data) => {
    expect(() => decodeEvent(written({ ...published(PARTS), data }))).toThrow('its data is not an object')
  })
})

test('an attribute that a later version added is no reason to refuse an event', () => {
  const event = { ...published(PARTS), tenant: 'a' }
  expect(decodeEvent(written(event))).toEqual(event)
})

test('a type says entity, action and version, and nothing else is one', () => {
  const kind = { entity: 'purchase-order', action: 'deleted', version: 2 } as const
  expect(kindOf(typeOf(kind))).toEqual(kind)
  for (const type of [
    'erp.payment.v1',
    'erp.payment.created.v0',
    'xerp.payment.created.v1',
    'erp..created.v1',
    '',
  ]) {
    expect(kindOf(type)).toBeNull()
  }
  expect(partsOfSource(sourceOf('k3/wise', '001'))).toEqual({ system: 'k3/wise', company: '001' })
})

test('a trace is valid, not sampled, and refuses bytes that make none', () => {
  expect(PARTS.traceparent).toBe('00-000102030405060708090a0b0c0d0e0f-1011121314151617-00')
  expect(() => traceparent(new Uint8Array(24).fill(1, 16))).toThrow(TypeError)
  expect(() => traceparent(new Uint8Array(24).fill(1, 0, 16))).toThrow(TypeError)
  expect(() => traceparent(new Uint8Array(8).fill(1))).toThrow(TypeError)
})
