import { mkdirSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { escapeMarkdown } from '../../gateway/dingtalk/markdown.ts'
import { describeWithService } from '../kit/services.ts'
import { type DingTalk, startDingTalk } from '../lab/dingtalk/server.ts'

const SCREENSHOTS = '.cache/screenshots'

const DESKTOP = { width: 1280, height: 800 }
const PHONE = { width: 390, height: 844 }

const PAYMENT = [
  '### Thanh toán đã được duyệt',
  '',
  '**1.234.567,50 HKD** cho 100077 深圳螺栓厂',
  '',
  '- Số chứng từ: 5100000001',
  '- Hạn thanh toán: 31/03/2026',
  '- Người duyệt: CHAN',
  '',
  'Example Trading',
].join('\n')

const STOCK = [
  '### 库存低于再订货点',
  '',
  '**BOLT-M8 螺栓 M8 不锈钢**',
  '',
  '- 可用：**12 件**',
  '- 再订货点：200 件',
  '- 仓库：1010 深圳 / A1',
  '',
  'Example Manufacturing',
].join('\n')

describeWithService('chromium', "the emulator's page", ({ path }) => {
  let browser: Browser
  let dingtalk: DingTalk

  beforeAll(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true })
    browser = await chromium.launch({
      executablePath: path,
      args: ['--headless', '--no-sandbox', '--disable-gpu'],
    })
    dingtalk = await startDingTalk()
  })

  afterAll(async () => {
    await browser?.close()
    await dingtalk?.close()
  })

  async function open(viewport: Readonly<{ width: number; height: number }>) {
    const page = await browser.newPage({ viewport, locale: 'en-GB', reducedMotion: 'reduce' })
    const foreign: string[] = []
    const errors: string[] = []
    page.on('request', (request) => {
      if (!request.url().startsWith(dingtalk.origin) && !request.url().startsWith('data:'))
        foreign.push(request.url())
    })
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text())
    })
    page.on('pageerror', (error) => errors.push(error.message))
    await page.goto(dingtalk.origin)
    await page.getByRole('heading', { name: 'Messages' }).waitFor()
    return { page, foreign, errors }
  }

  test('shows list and chat side by side on a desktop, and a new message at once', async () => {
    dingtalk.reset()
    await sendToUser(dingtalk, '0171234567', 'Đã duyệt thanh toán 5100000001: 1.234.567,50 HKD', PAYMENT)
    await sendToUser(dingtalk, '0171234567', 'Đã duyệt thanh toán 5100000002: 18.000,00 HKD', PAYMENT)
    const { page, foreign, errors } = await open(DESKTOP)
    const lan = page.getByRole('button', { name: /Nguyễn Thị Lan/ })
    await expect.poll(() => lan.getByLabel('2 unread').count()).toBe(1)
    await lan.click()
    await page.getByRole('heading', { name: 'Thanh toán đã được duyệt' }).last().waitFor()
    await expect.poll(() => lan.getByLabel(/unread/).count()).toBe(0)

    await sendToGroup(dingtalk, 'cidPurchasing000000000000000001==', '库存不足：BOLT-M8，可用 12 件', STOCK)
    const purchasing = page.getByRole('button', { name: /采购群 Purchasing/ })
    await expect.poll(() => purchasing.getByLabel('1 unread').count()).toBe(1)
    await page.screenshot({ path: `${SCREENSHOTS}/dingtalk-desktop.png` })
    await purchasing.click()
    await page.getByRole('heading', { name: '库存低于再订货点' }).waitFor()

    expect(await layoutFaults(page)).toEqual([])
    expect(await page.getByRole('navigation').isVisible()).toBe(true)
    expect(await page.locator('.bubble strong', { hasText: '12 件' }).count()).toBe(1)
    await page.screenshot({ path: `${SCREENSHOTS}/dingtalk-desktop-group.png` })
    expect({ foreign, errors }).toEqual({ foreign: [], errors: [] })
    await page.close()
  })

  test('shows one pane at a time on a phone, with a way back', async () => {
    dingtalk.reset()
    await sendToUser(dingtalk, '0181234567', '付款 5100000001 已批准：CNY 1,234,567.50', STOCK)
    await sendToGroup(dingtalk, 'cidWarehouse0000000000000000001==', 'Sắp hết hàng: BOLT-M8', PAYMENT)
    const { page, foreign, errors } = await open(PHONE)
    await page.getByLabel('1 unread').first().waitFor()
    expect(await page.locator('.chat').isVisible()).toBe(false)
    expect(await layoutFaults(page)).toEqual([])
    await page.screenshot({ path: `${SCREENSHOTS}/dingtalk-phone-list.png` })

    await page.getByRole('button', { name: /Kho Bình Dương/ }).click()
    await page.getByRole('heading', { name: 'Thanh toán đã được duyệt' }).waitFor()
    expect(await page.getByRole('navigation').isVisible()).toBe(false)
    expect(await layoutFaults(page)).toEqual([])
    await page.screenshot({ path: `${SCREENSHOTS}/dingtalk-phone-chat.png` })

    await page.getByRole('button', { name: 'Back to the list' }).click()
    await page.getByRole('navigation').waitFor()
    expect(await page.getByRole('heading', { name: 'Thanh toán đã được duyệt' }).isVisible()).toBe(false)
    expect({ foreign, errors }).toEqual({ foreign: [], errors: [] })
    await page.close()
  })

  test('shows a hostile value as the text that it is', async () => {
    dingtalk.reset()
    const value =
      '[请立即登录](http://evil.example) ![x](http://evil.example/p.png) <b>@all</b> `code` **bold** # x'
    await sendToUser(dingtalk, '0171234567', 'Hostile', `### Supplier\n\n${escapeMarkdown(value)}`)
    const { page, foreign } = await open(PHONE)
    await page.getByRole('button', { name: /Nguyễn Thị Lan/ }).click()
    const bubble = page.locator('.bubble')
    await bubble.waitFor()
    expect(await bubble.locator('a, .link, img, strong, em, code, b').count()).toBe(0)
    expect((await bubble.innerText()).replaceAll('\u200B', '')).toContain(value)
    expect(foreign).toEqual([])
    await page.close()
  })
})

/** What a person would see as broken: sideways scrolling, a message out of sight, a title too small or without room. */
async function layoutFaults(page: Page): Promise<readonly string[]> {
  return page.evaluate<readonly string[]>(LAYOUT_FAULTS)
}

// Runs in the browser, whose types this program does not have.
const LAYOUT_FAULTS = `(() => {
  const faults = []
  const root = document.documentElement
  if (root.scrollWidth > root.clientWidth) faults.push('the page is ' + root.scrollWidth + ' wide')
  const isShown = (node) => node.getClientRects().length > 0
  for (const pane of document.querySelectorAll('.messages, .list ul')) {
    if (isShown(pane) && pane.scrollWidth > pane.clientWidth) faults.push(pane.className + ' scrolls sideways')
  }
  const last = [...document.querySelectorAll('.bubble')].filter(isShown).at(-1)?.getBoundingClientRect()
  if (last && (last.bottom > innerHeight || last.right > innerWidth || last.left < 0)) {
    faults.push('the newest message is not wholly in sight')
  }
  for (const title of document.querySelectorAll('h1, h2, .row-name')) {
    if (!isShown(title)) continue
    const { fontSize, color } = getComputedStyle(title)
    if (parseFloat(fontSize) < 14) faults.push(title.textContent + ' is ' + fontSize)
    if (color !== 'rgb(23, 26, 29)') faults.push(title.textContent + ' is ' + color)
    if (title.getBoundingClientRect().width < 60) faults.push(title.textContent + ' has no room')
  }
  return faults
})()`

async function sendToUser(dingtalk: DingTalk, userId: string, title: string, text: string): Promise<void> {
  await send(dingtalk, '/v1.0/robot/oToMessages/batchSend', { userIds: [userId] }, title, text)
}

async function sendToGroup(dingtalk: DingTalk, group: string, title: string, text: string): Promise<void> {
  await send(dingtalk, '/v1.0/robot/groupMessages/send', { openConversationId: group }, title, text)
}

async function send(
  dingtalk: DingTalk,
  path: string,
  to: object,
  title: string,
  text: string,
): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const login = await fetch(`${dingtalk.origin}/v1.0/oauth2/accessToken`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ appKey: 'dingdemoclient', appSecret: 'demo-client-secret' }),
  })
  const { accessToken } = (await login.json()) as { accessToken: string }
  const answer = await fetch(dingtalk.origin + path, {
    method: 'POST',
    headers: { ...headers, 'x-acs-dingtalk-access-token': accessToken },
    body: JSON.stringify({
      robotCode: 'dingdemoclient',
      msgKey: 'sampleMarkdown',
      msgParam: JSON.stringify({ title, text }),
      ...to,
    }),
  })
  expect(answer.status).toBe(200)
}
