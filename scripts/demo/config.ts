import { DEMO_COMPANY } from '../../test/lab/dingtalk/company.ts'

/** Where the ERP's database is; `password` a reference, where it has one. */
export type Database = Readonly<{
  host: string
  port: number
  database: string
  user: string
  password?: string
}>

/**
 * The gateway's config for the demo: the ERP's database on one side, DingTalk on the other. `kafka`: `host:port` of a
 * broker without security that keeps the log, else it is a file.
 */
export function demoConfig(erp: Database, dingtalk: string, kafka: string | null = null): string {
  return `# The demo's gateway. Everything in it is what a real one has.
gateway: demo
companies:
  001: { name: Example Trading, currency: HKD, zone: Asia/Hong_Kong }
  002: { name: Example Trading Viet Nam, currency: VND, zone: Asia/Ho_Chi_Minh }
data: ./data
${kafka === null ? '' : log(kafka)}
${sources(erp)}
${routes(dingtalk)}`
}

/** Under a prefix of its own: each demo has a new ERP. */
function log(kafka: string): string {
  return `log: { driver: kafka, brokers: ["${kafka}"], prefix: demo-${Date.now().toString(36)}. }\n`
}

function sources(erp: Database): string {
  const password = erp.password === undefined ? '' : `, password: ${erp.password}`
  return `sources:
  erp:
    kind: database
    system: demo-trading
    company: from-record
    zone: Asia/Hong_Kong
    connection: { engine: postgres, host: ${erp.host}, port: ${erp.port}, database: ${erp.database}, user: ${erp.user}${password} }
    poll: { every: 500ms }
    feeds:
      payments:
        mapping: demo-trading/payment
        table: payment
        key: [payment_no, fiscal_year]
        lines:
          - name: allocations
            table: payment_allocation
            key: [payment_no, fiscal_year, line_no]
            on: { payment_no: payment_no, fiscal_year: fiscal_year }
        cursor: { strategy: watermark, columns: [updated_at], overlap: 10s }
      purchase-orders:
        mapping: demo-trading/purchase-order
        table: purchase_order
        key: [order_no]
        lines: [{ name: lines, table: purchase_order_line, key: [order_no, line_no], on: { order_no: order_no } }]
        cursor: { strategy: watermark, columns: [updated_at], overlap: 10s }
      stock:
        mapping: demo-trading/stock-level
        table: stock
        key: [plant_code, warehouse_code, item_no, batch_no, stock_type]
        cursor: { strategy: watermark, columns: [updated_at], overlap: 10s }
`
}

function routes(dingtalk: string): string {
  return `people:
  lan: { dingtalk: 0171234567, language: vi, company: 002 }
  chen: { dingtalk: 0181234567, language: zh-CN, company: 001 }

roles:
  purchasing-manager:
    - { of: { company: 002 }, people: [lan] }
    - { people: [chen] }

dingtalk:
  region: custom
  api: ${dingtalk}
  oapi: ${dingtalk}
  app: { clientId: env:DEMO_CLIENT_ID, clientSecret: env:DEMO_CLIENT_SECRET, robotCode: env:DEMO_ROBOT_CODE }
  groups:
    purchasing: { webhook: env:DEMO_WEBHOOK, secret: env:DEMO_WEBHOOK_SECRET, language: zh-CN }

routes:
  payment-approved:
    on: payment
    when: changed.status && data.status.code == "approved"
    to: [{ role: purchasing-manager }]
    as: message
    template: payment-approved
  stock-low:
    on: stock-level
    when: changed.available && has(data.reorderPoint) && data.available.value < data.reorderPoint.value
    to: [{ group: purchasing }]
    as: message
    template: stock-low
`
}

/** What the config refers to: credentials of the emulator's own company, worth nothing elsewhere. */
export function demoSecrets(dingtalk: string): Record<string, string> {
  const [app] = DEMO_COMPANY.apps
  const robot = DEMO_COMPANY.groups.flatMap((group) => group.robots).find(({ secret }) => secret !== null)
  if (app === undefined || robot === undefined) throw new Error('The demo company has no app or robot.')
  return {
    DEMO_CLIENT_ID: app.clientId,
    DEMO_CLIENT_SECRET: app.clientSecret,
    DEMO_ROBOT_CODE: app.robotCode,
    DEMO_WEBHOOK: `${dingtalk}/robot/send?access_token=${robot.token}`,
    DEMO_WEBHOOK_SECRET: robot.secret ?? '',
  }
}
