import htm from 'htm'
import { h, render } from 'preact'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { parseMarkdown } from './markdown.mjs'

const html = htm.bind(h)

render(html`<${App} />`, document.getElementById('app'))

function App() {
  const data = useLiveState()
  const [open, setOpen] = useOpenChat()
  const [seen, markSeen] = useSeen()
  const chats = useMemo(() => (data === null ? [] : chatsOf(data, seen)), [data, seen])
  const current = chats.find((chat) => chat.chat === open) ?? null
  const newest = current?.messages.at(-1)?.id
  // What is on the screen has been read.
  useEffect(() => {
    if (current !== null && newest !== undefined) markSeen(current.chat, newest)
  }, [current?.chat, newest])
  const unread = chats.reduce((sum, chat) => sum + chat.unread, 0)
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ''}${data?.company.name ?? 'DingTalk'} · chats`
  }, [unread, data?.company.name])
  if (data === null) return html`<main class="waiting">Connecting…</main>`
  return html`
    <main class=${current === null ? 'phone' : 'phone has-chat'}>
      <${ChatList} company=${data.company} chats=${chats} open=${open} onOpen=${setOpen} now=${data.now} />
      <${Chat} chat=${current} onBack=${() => setOpen(null)} now=${data.now} />
    </main>
  `
}

function ChatList({ company, chats, open, onOpen, now }) {
  const [query, setQuery] = useState('')
  const wanted = query.trim().toLowerCase()
  const shown = chats.filter(
    (chat) => wanted === '' || `${chat.name} ${chat.title}`.toLowerCase().includes(wanted),
  )
  return html`
    <nav class="list" aria-label="Chats">
      <header class="bar">
        <div class="bar-text">
          <h1>Messages</h1>
          <p>${company.name}</p>
        </div>
        <span class="lab" title="Nothing leaves this machine">emulator</span>
      </header>
      <label class="search">
        <svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="9" cy="9" r="5.5" /><path d="m13.2 13.2 4 4" /></svg>
        <input type="search" placeholder="Search" aria-label="Search chats" value=${query}
          onInput=${(event) => setQuery(event.currentTarget.value)} />
      </label>
      <ul>
        ${shown.map(
          (chat) => html`
            <li key=${chat.chat}>
              <button type="button" class=${chat.chat === open ? 'row is-open' : 'row'} onClick=${() => onOpen(chat.chat)}
                aria-current=${chat.chat === open ? 'true' : undefined}>
                <${Avatar} chat=${chat} />
                <span class="row-text">
                  <span class="row-head">
                    <span class="row-name">${chat.name}</span>
                    <time>${chat.newest === null ? '' : shortTime(chat.newest.at, now)}</time>
                  </span>
                  <span class="row-foot">
                    <span class="row-last">${previewOf(chat)}</span>
                    ${chat.unread > 0 && html`<span class="badge" aria-label=${`${chat.unread} unread`}>${chat.unread > 99 ? '99+' : chat.unread}</span>`}
                  </span>
                </span>
              </button>
            </li>
          `,
        )}
      </ul>
    </nav>
  `
}

function Chat({ chat, onBack, now }) {
  const end = useRef(null)
  const newest = chat?.messages.at(-1)?.id
  useLayoutEffect(() => end.current?.scrollIntoView({ block: 'end' }), [chat?.chat, newest])
  if (chat === null) {
    return html`<section class="chat is-empty"><p>Choose a chat to see what its people were told.</p></section>`
  }
  return html`
    <section class="chat" aria-label=${chat.name}>
      <header class="bar">
        <button type="button" class="back" onClick=${onBack} aria-label="Back to the list">
          <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M12.5 4 6.5 10l6 6" /></svg>
        </button>
        <div class="bar-text">
          <h2>${chat.name}</h2>
          <p>${chat.title}</p>
        </div>
      </header>
      <ol class="messages" aria-live="polite">
        ${chat.messages.length === 0 && html`<li class="none">No messages yet</li>`}
        ${chat.messages.map((message, place) => {
          const before = chat.messages[place - 1]
          const isNewDay =
            before === undefined || message.at - before.at > GAP_MS || dayOf(message.at) !== dayOf(before.at)
          return html`
            ${isNewDay && html`<li class="when" key=${`${message.id} when`}><time>${longTime(message.at, now)}</time></li>`}
            <li class="message" key=${message.id}>
              <span class="avatar is-robot" aria-hidden="true"><${RobotFace} /></span>
              <div class="said">
                <span class="from">${message.from} <em>robot</em></span>
                <article class="bubble"><${Markdown} text=${message.text} /></article>
              </div>
            </li>
          `
        })}
        <li ref=${end} class="end" aria-hidden="true"></li>
      </ol>
      <footer class="compose" aria-hidden="true"><span>Robots write here; people read</span></footer>
    </section>
  `
}

/** In a group it matters who spoke; alone with a robot there is nobody else. */
function previewOf({ newest, title, isGroup }) {
  if (newest === null) return title
  return isGroup ? `${newest.from}: ${newest.title}` : newest.title
}

/** Messages that are further apart get the time between them. */
const GAP_MS = 300_000

function Avatar({ chat }) {
  const tone = `avatar tone-${toneOf(chat.chat)}`
  if (chat.isGroup) {
    return html`<span class=${`${tone} is-group`} aria-hidden="true">
      <svg viewBox="0 0 24 24"><circle cx="9" cy="9" r="3.2" /><circle cx="16.5" cy="10" r="2.5" /><path d="M3.5 18.5c.4-3 2.7-5 5.5-5s5.1 2 5.5 5z" /><path d="M15.6 18.5h5c-.2-2.6-1.9-4.4-4.1-4.4-.9 0-1.7.3-2.4.8.8.9 1.3 2.1 1.5 3.6z" /></svg>
    </span>`
  }
  return html`<span class=${tone} aria-hidden="true">${initials(chat.name)}</span>`
}

function RobotFace() {
  return html`<svg viewBox="0 0 24 24"><path d="M12 3.5v3" /><circle cx="12" cy="3" r="1.2" class="full" /><rect x="4.5" y="6.5" width="15" height="12" rx="4" /><circle cx="9.2" cy="12" r="1.3" class="full" /><circle cx="14.8" cy="12" r="1.3" class="full" /><path d="M9.5 15.4h5" /></svg>`
}

function Markdown({ text }) {
  const blocks = useMemo(() => parseMarkdown(text), [text])
  return html`${blocks.map((block) => {
    if (block.kind === 'heading')
      return html`<h3 class=${`level-${block.level}`}>${inline(block.inline)}</h3>`
    if (block.kind === 'quote') return html`<blockquote>${inline(block.inline)}</blockquote>`
    if (block.kind === 'list')
      return h(
        block.ordered ? 'ol' : 'ul',
        null,
        block.items.map((item) => html`<li>${inline(item)}</li>`),
      )
    return html`<p>${inline(block.inline)}</p>`
  })}`
}

/** Links are shown and lead nowhere: the page makes no request but to its own server. */
function inline(pieces) {
  return pieces.map((piece) => {
    if (piece.kind === 'bold') return html`<strong>${inline(piece.inline)}</strong>`
    if (piece.kind === 'italic') return html`<em>${inline(piece.inline)}</em>`
    if (piece.kind === 'code') return html`<code>${piece.text}</code>`
    if (piece.kind === 'break') return html`<br />`
    if (piece.kind === 'link')
      return html`<span class="link" title=${piece.href}>${inline(piece.inline)}</span>`
    if (piece.kind === 'image') return html`<span class="link">${`🖼 ${piece.text}`}</span>`
    return piece.text
  })
}

// ─── data ───────────────────────────────────────────────────────────────────────────────────────

function useLiveState() {
  const [data, setData] = useState(null)
  useEffect(() => {
    let isOver = false
    let isLoading = false
    let isStale = false
    const load = async () => {
      if (isLoading) {
        isStale = true
        return
      }
      isLoading = true
      isStale = false
      const response = await fetch('/page/state').catch(() => null)
      if (!isOver && response?.ok) setData(await response.json())
      isLoading = false
      if (isStale) await load()
    }
    const events = new EventSource('/page/events')
    events.addEventListener('message', load)
    return () => {
      isOver = true
      events.close()
    }
  }, [])
  return data
}

/** The open chat is in the address, so that the browser's own back button works on a phone. */
function useOpenChat() {
  const read = () => decodeURIComponent(location.hash.slice(1)) || null
  const [open, setOpen] = useState(read)
  useEffect(() => {
    const follow = () => setOpen(read())
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  const go = (chat) => {
    location.hash = chat === null ? '' : encodeURIComponent(chat)
  }
  return [open, go]
}

function useSeen() {
  const [seen, setSeen] = useState({})
  const mark = (chat, id) => setSeen((known) => (known[chat] === id ? known : { ...known, [chat]: id }))
  return [seen, mark]
}

function chatsOf(data, seen) {
  const { users, groups } = data.company
  const places = [
    ...groups.map((group) => ({ ...group, isGroup: true })),
    ...users.map((user) => ({ ...user, isGroup: false })),
  ]
  const chats = places.map((place) => {
    const messages = data.messages.filter((message) => message.chat === place.chat)
    const last = messages.findIndex((message) => message.id === seen[place.chat])
    return { ...place, messages, newest: messages.at(-1) ?? null, unread: messages.length - last - 1 }
  })
  return chats.sort((one, other) => (other.newest?.at ?? 0) - (one.newest?.at ?? 0))
}

function initials(name) {
  const words = name.split(/\s+/)
  if (/\p{Script=Han}/u.test(name)) return name.slice(-2)
  return `${words[0]?.charAt(0) ?? ''}${words.length > 1 ? words.at(-1).charAt(0) : ''}`.toUpperCase()
}

function toneOf(text) {
  let sum = 0
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)) % 997
  return sum % 6
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })

function dayOf(at) {
  return new Date(at).toDateString()
}

function shortTime(at, now) {
  return dayOf(at) === dayOf(now) ? CLOCK.format(at) : DAY.format(at)
}

function longTime(at, now) {
  return dayOf(at) === dayOf(now) ? CLOCK.format(at) : `${DAY.format(at)} ${CLOCK.format(at)}`
}
