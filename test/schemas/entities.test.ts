import { describe, expect, test } from 'vitest'
import type { FieldType } from '../../gateway/mapping/field-type.ts'
import { loadSchemas } from '../../gateway/schemas/load.ts'
import { CHECKOUT, EVENTS, readJson } from './schema-folder.ts'

const schemas = loadSchemas(CHECKOUT, EVENTS)
const order = schemas.entity('purchase-order')

/** What a mapping makes of EKKO, EKPO and EKET, before the gateway adds company, changedAt and erpKeys. */
const MAPPED = {
  number: '4500001234',
  type: 'NB',
  status: { code: 'pending', raw: 'B' },
  orderDate: '2026-09-30',
  supplier: { code: '100077', raw: '0000100077', name: null },
  currency: 'CNY',
  purchasingGroup: '001',
  lines: [
    {
      line: '00010',
      item: { code: 'BOLT-M8', raw: 'BOLT-M8', name: '螺栓 M8 不锈钢' },
      description: '螺栓 M8 不锈钢',
      plant: { code: '1010', raw: '1010', name: null },
      ordered: { value: '1000.000', unit: 'H87' },
      unitPrice: { value: '10.00', currency: 'CNY' },
      priceUnit: '100',
      net: { value: '100.00', currency: 'CNY' },
      schedules: [
        { date: '2026-10-12', quantity: '400.000' },
        { date: '2026-10-20', quantity: '600.000' },
      ],
      dueDate: '2026-10-12',
      closed: false,
      cancelled: false,
    },
    {
      line: '00020',
      item: { code: '4711', raw: '000000000000004711', name: '螺栓 M8' },
      description: '螺栓 M8',
      plant: { code: '1010', raw: '1010', name: null },
      ordered: { value: '5.000', unit: 'H87' },
      unitPrice: { value: '1.10', currency: 'CNY' },
      priceUnit: '1',
      net: { value: '5.50', currency: 'CNY' },
      schedules: [{ date: '2026-10-12', quantity: '5.000' }],
      dueDate: '2026-10-12',
      closed: false,
      cancelled: true,
    },
  ],
  totals: { net: { value: '100.00', currency: 'CNY' }, tax: null, gross: null },
}

const [line] = MAPPED.lines

describe('a purchase order', () => {
  test('fits as a mapping fills it, with what the gateway adds and without', () => {
    expect(order.validate(MAPPED)).toEqual([])
    const added = {
      company: { code: '1000', name: 'Example Manufacturing' },
      erpKeys: { EBELN: '4500001234' },
    }
    expect(order.validate({ ...MAPPED, ...added, changedAt: '2026-10-01T08:15:02+08:00' })).toEqual([])
    expect(order.validate({ ...MAPPED, ...added, changedAt: null })).toEqual([])
  })

  test('takes a line of text without an item, in yen without decimals', () => {
    const net = { value: '12345', currency: 'JPY' }
    const text = { ...line, item: null, description: '部品', unitPrice: net, net }
    expect(order.validate({ ...MAPPED, currency: 'JPY', lines: [text] })).toEqual([])
  })

  test('requires what every ERP has, and nothing else', () => {
    const { number, status, orderDate, supplier, currency } = MAPPED
    const bare = { number, status: { code: 'draft' }, orderDate, supplier: { code: supplier.code }, currency }
    const amount = { value: '1', currency: 'CNY' }
    const bareLine = { line: '1', description: 'x', ordered: { value: '1', unit: 'H87' }, net: amount }
    expect(status.code).toBe('pending')
    expect(order.validate({ ...bare, totals: { net: amount }, lines: [bareLine] })).toEqual([])
    for (const name of ['number', 'status', 'orderDate', 'supplier', 'currency', 'totals', 'lines']) {
      const { [name]: _gone, ...rest } = MAPPED as Record<string, unknown>
      expect(order.validate(rest)).toEqual([`/${name} is missing: purchase-order version 1 requires it.`])
    }
  })
})

test('a field that is not required may be null, whatever its type', () => {
  for (const name of schemas.entities) {
    const { fieldTypes, validate } = schemas.entity(name)
    const [example] = readJson(`${EVENTS}/${name}.v1.json`)['examples'] as [Record<string, unknown>]
    for (const [field, type] of Object.entries(fieldTypes.fields)) {
      if (!type.nullable || ['plant', 'documentDate', 'company', 'erpKeys'].includes(field)) continue
      expect(validate({ ...example, [field]: null }), field).toEqual([])
    }
  }
})

test('of a choice at least one field must be there and not be null', () => {
  const stock = schemas.entity('stock-level')
  const [example] = readJson(`${EVENTS}/stock-level.v1.json`)['examples'] as [Record<string, unknown>]
  expect(stock.validate({ ...example, plant: null })).toEqual([])
  expect(stock.validate({ ...example, warehouse: null })).toEqual([])
  expect(stock.validate({ ...example, plant: null, warehouse: null })).toEqual([
    'The data needs at least one of plant, warehouse.',
  ])
})

describe('what is said to the person who keeps a mapping', () => {
  const ofLine = (change: object) => order.validate({ ...MAPPED, lines: [{ ...line, ...change }] })

  test.each([
    [
      { net: { value: 100, currency: 'CNY' } },
      '/lines/0/net/value must be an exact decimal as text',
      'not a number',
    ],
    [
      { net: { value: '1,000.00', currency: 'CNY' } },
      '/lines/0/net/value must be an exact decimal',
      'not this text',
    ],
    [{ net: null }, '/lines/0/net must be an object, not null.', ''],
    [{ net: { value: '1.00' } }, '/lines/0/net/currency is missing', 'purchase-order version 1 requires it'],
    [
      { net: { value: '1.00', currency: 'cny' } },
      '/lines/0/net/currency must be text of the form ^[A-Z]{3}$',
      '',
    ],
    [{ item: null, description: null }, '/lines/0 needs at least one of item, description.', ''],
    [{ dueDate: '2026-02-29' }, '/lines/0/dueDate must be a date of the calendar', 'or null, not this text'],
    [{ dueDate: 20261012 }, '/lines/0/dueDate must be a date of the calendar', 'or null, not a number'],
    [{ closed: 'X' }, '/lines/0/closed must be true or false, or null, not text.', ''],
    [{ item: { code: '' } }, '/lines/0/item/code must not be empty.', ''],
    [{ line: 'x'.repeat(51) }, '/lines/0/line must have at most 50 characters.', ''],
    [{ schedules: {} }, '/lines/0/schedules must be a list, or null, not an object.', ''],
    [
      { schedules: [{ date: '2026-10-12', qty: '1' }] },
      '/lines/0/schedules/0/qty is not a field of purchase-order version 1.',
      'Allowed there: date, quantity, confirmedDate, received, plant.',
    ],
  ])('names place and remedy for %j', (change, place, remedy) => {
    const said = ofLine(change).join('\n')
    expect(said).toContain(place)
    expect(said).toContain(remedy)
  })

  test('lists the codes of a closed list and the one that was given', () => {
    expect(order.validate({ ...MAPPED, status: { code: 'open', raw: 'O' } })).toEqual([
      '/status/code must be one of draft, pending, released, part-received, received, closed, cancelled, not "open".',
    ])
  })

  test('says everything at once, once, and not without end', () => {
    expect(order.validate({ ...MAPPED, currency: 7, orderDate: 'soon' })).toHaveLength(2)
    expect(order.validate({ ...MAPPED, status: { code: 7 } })).toHaveLength(1)
    const many = order.validate({
      ...MAPPED,
      lines: Array.from({ length: 500 }, () => ({ ...line, net: null })),
    })
    expect(many).toHaveLength(21)
    expect(many.at(-1)).toBe('And 480 more.')
  })

  test('shows no value of a record, and nothing that a terminal would act on', () => {
    const payment = schemas.entity('payment')
    const said = payment.validate({
      payeeAccount: 42,
      bankAccount: '6222'.repeat(30),
      number: '',
      memo: ['secret'],
    })
    expect(said.join()).not.toMatch(/6222|secret|42/)
    const [control] = order.validate({ ...MAPPED, status: { code: '\u001b[2J\u202eevil\u2028' } })
    expect(control).toContain('\ufffd[2J\ufffdevil\ufffd')
    expect(control).not.toMatch(/[\u0000-\u001f\u202e\u2028]/)
  })

  test('takes a value that is no object for what it is', () => {
    expect(order.validate(null)).toEqual(['The data must be an object, not null.'])
    expect(order.validate([])).toEqual(['The data must be an object, not a list.'])
  })
})

describe('what the schemas say about entities', () => {
  test('the identity holds the business key, and so does a deletion', () => {
    const identities = Object.fromEntries(
      schemas.entities.map((name) => [name, schemas.entity(name).identity]),
    )
    expect(identities).toEqual({
      employee: ['company', 'number'],
      'goods-receipt': ['company', 'number', 'year'],
      invoice: ['company', 'direction', 'number', 'year'],
      item: ['company', 'item'],
      'item-plant': ['company', 'item', 'plant'],
      partner: ['company', 'numberRange', 'number'],
      payment: ['company', 'number', 'year'],
      'production-order': ['company', 'number'],
      'purchase-order': ['company', 'number'],
      'release-task': ['company', 'document', 'level'],
      'sales-order': ['company', 'number'],
      'stock-level': ['company', 'plant', 'warehouse', 'item', 'batch', 'stockType'],
      'stock-movement': ['company', 'number', 'year', 'line'],
    })
    expect(order.validateDeleted({ number: '4500001234' })).toEqual([])
  })

  test('what moves without being content is volatile, and nothing else', () => {
    for (const name of schemas.entities) {
      const isStock = name === 'stock-level'
      const volatile = isStock
        ? ['asOf', 'changedAt', 'changedBy', 'lastMovementAt']
        : ['changedAt', 'changedBy']
      expect([...schemas.entity(name).volatile].sort()).toEqual(volatile)
    }
  })

  test('every list says what it is sorted by', () => {
    expect(order.orders).toEqual({
      lines: 'line',
      'lines.schedules': 'date',
      'release.levels': 'code',
      attachments: 'ref',
    })
    expect(schemas.entity('partner').orders).toMatchObject({ kinds: '.', contacts: 'name' })
  })

  test('personal data is tagged', () => {
    expect(schemas.entity('payment').personal).toEqual(['bankAccount', 'payeeAccount'])
    expect(schemas.entity('partner').personal).toContain('contacts')
    expect(schemas.entity('employee').personal).toEqual(['mobile', 'email'])
  })

  test('what a pack should fill is listed, also inside lines', () => {
    expect(order.expected).toEqual(expect.arrayContaining(['totals.gross', 'lines.item', 'lines.dueDate']))
    expect(order.expected).not.toContain('buyer')
  })

  test('an entity that is not there is refused with those that are', () => {
    expect(() => schemas.entity('purchase-orders')).toThrow(
      /"purchase-orders"; there are employee, goods-receipt/,
    )
  })
})

describe('the types of fields', () => {
  const typeAt = (entity: string, path: string) => {
    const root: FieldType = schemas.entity(entity).fieldTypes
    return path.split('.').reduce<FieldType | undefined>((type, name) => {
      const inner = type?.kind === 'list' ? type.of : type
      return inner?.kind === 'object' ? inner.fields[name] : undefined
    }, root)
  }

  test.each([
    ['purchase-order', 'totals.net.value', { kind: 'decimal', nullable: false }],
    ['purchase-order', 'rate', { kind: 'decimal', nullable: true }],
    ['purchase-order', 'orderDate', { kind: 'date', nullable: false }],
    ['purchase-order', 'lines.priceUnit', { kind: 'decimal', nullable: true }],
    ['purchase-order', 'lines.closed', { kind: 'boolean', nullable: true }],
    ['purchase-order', 'paymentTerms.days', { kind: 'integer', nullable: true }],
    ['purchase-order', 'erpKeys', { kind: 'map', of: { kind: 'string', nullable: true }, nullable: true }],
    ['payment', 'approvedAt', { kind: 'date-time', nullable: true }],
    ['payment', 'direction', { kind: 'string', nullable: true, values: ['outgoing', 'incoming'] }],
    ['partner', 'kinds', { kind: 'list', of: expect.objectContaining({ kind: 'string' }), nullable: false }],
    ['stock-level', 'available.value', { kind: 'decimal', nullable: false }],
    ['stock-level', 'reorderPoint.value', { kind: 'decimal', nullable: false }],
  ])('%s %s', (entity, path, type) => {
    expect(typeAt(entity, path)).toEqual(type)
  })

  test('a field that may be null or absent says so, whatever is inside it', () => {
    expect(typeAt('stock-level', 'available')).toMatchObject({ kind: 'object', nullable: false })
    expect(typeAt('stock-level', 'reorderPoint')).toMatchObject({ kind: 'object', nullable: true })
    expect(typeAt('purchase-order', 'status')).toMatchObject({ nullable: false })
  })
})

test('fields that all entities share are the same in all', () => {
  const shared = [
    'company',
    'createdAt',
    'createdBy',
    'changedAt',
    'changedBy',
    'erpKeys',
    'externalRef',
    'attachments',
  ]
  for (const name of schemas.entities) {
    const properties = Object(readJson(`${EVENTS}/${name}.v1.json`)['properties'])
    for (const field of shared)
      expect(properties[field]).toEqual({ $ref: `value-types.v1.json#/$defs/${field}` })
    expect(schemas.entity(name).added).toEqual(['company', 'erpKeys'])
  }
})
