// What all pages share: the connection, the log, the input line and the title.
//
// Invariant: a text of the server or of the user becomes a text node or the value of a property, never markup.

/** The lines of a log are in blocks, so that the browser does not lay out those that are out of sight. */
const LINES_OF_BLOCK = 100;

/** The longest log. Older blocks are removed. */
const MOST_BLOCKS = 100;

/** How many typed lines the input remembers. */
const MOST_TYPED = 100;

/** The longest wait between two tries to connect, in seconds. */
const LONGEST_WAIT = 30;

/** Close codes that end the conversation (RFC 6455, section 7.4.1). After any other, the page connects again. */
const NORMAL = 1000;
const POLICY_VIOLATION = 1008;

/** How far from its end a log may be scrolled and still follow, in pixels. */
const NEAR = 8;

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const exactFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

/**
 * Makes an element. Children that are strings become text.
 *
 * @param {string} tag
 * @param {object} [properties] such as `{ className: 'own' }`
 * @param {...(Node | string)} children
 */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** The time of day of a moment, which is given in milliseconds since 1970. */
export function time(at) {
  const date = new Date(at);
  return element('time', { dateTime: date.toISOString(), title: exactFormat.format(date) }, timeFormat.format(date));
}

/**
 * Shows what is wrong with the value of a field, or nothing. The place is the element with the id `FIELD-error`.
 *
 * @param {HTMLInputElement} field
 * @param {string} text
 */
export function showError(field, text) {
  field.setAttribute('aria-invalid', String(text !== ''));
  document.getElementById(`${field.id}-error`).textContent = text;
}

/** Shows the state of the page in each element for it, where screen readers announce it. */
export function showStatus(text) {
  for (const place of document.querySelectorAll('.status')) place.textContent = text;
}

/** Calls `act` for each key that is pressed, except those that compose a letter. */
function onKey(target, act) {
  target.addEventListener('keydown', (event) => {
    if (!event.isComposing && act(event.key, event)) event.preventDefault();
  });
}

/**
 * A WebSocket that connects again when it is lost, after 1 s, 2 s, 4 s and so on, less a random part.
 *
 * States: `connecting`; `open`; `waiting`, with the seconds until the next try; `ended`, by the server's wish.
 */
export class Connection {
  #handlers;
  #socket = null;
  #timer = 0;
  #tries = 0;

  /** @param {{ open(): void, receive(text: string): void, change(state: string, seconds?: number): void }} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
    // These are good moments for the next try.
    addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => document.hidden || this.#hurry());
  }

  /** Connects, in place of the connection that there may be. */
  open() {
    this.close();
    this.#tries = 0;
    this.#connect();
  }

  /** Closes the connection, and does not connect again. */
  close() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** Sends a text if the connection is open, and returns whether it is. */
  send(text) {
    const isOpen = this.#socket?.readyState === WebSocket.OPEN;
    if (isOpen) this.#socket.send(text);
    return isOpen;
  }

  #connect() {
    this.#timer = 0;
    const url = new URL('ws', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    this.#socket = socket;
    const on = (type, act) => socket.addEventListener(type, (event) => socket === this.#socket && act(event));
    on('open', () => {
      this.#handlers.change('open');
      this.#handlers.open();
    });
    on('message', (event) => {
      this.#tries = 0;
      this.#handlers.receive(event.data);
    });
    on('close', (event) => this.#lost(event.code));
    this.#handlers.change('connecting');
  }

  #lost(code) {
    this.#socket = null;
    if (code === NORMAL || code === POLICY_VIOLATION) return this.#handlers.change('ended');
    const longest = Math.min(2 ** this.#tries, LONGEST_WAIT);
    const seconds = longest * (0.5 + Math.random() / 2);
    this.#tries += 1;
    this.#timer = setTimeout(() => this.#connect(), 1000 * seconds);
    this.#handlers.change('waiting', seconds);
  }

  #hurry() {
    if (this.#timer === 0) return;
    clearTimeout(this.#timer);
    this.#connect();
  }
}

/** The text for a state of a [`Connection`]. */
export function describeState(state, seconds) {
  switch (state) {
    case 'connecting':
      return 'Connecting …';
    case 'open':
      return 'Connected';
    case 'waiting':
      return `No connection. The next try is in ${Math.ceil(seconds)} s.`;
    default:
      return 'The connection is closed.';
  }
}

/**
 * The lines of a conversation, in a box that scrolls. While its end is in sight, it follows new lines. Otherwise it
 * keeps its place, and a button leads to the end.
 */
export class Log {
  #scroller;
  #blocks;
  #button;
  #day = '';
  #top = 0;
  #follows = true;

  /**
   * @param {HTMLElement} scroller with the class `follows`
   * @param {HTMLElement} blocks within it, for the lines
   * @param {HTMLButtonElement} button
   */
  constructor(scroller, blocks, button) {
    [this.#scroller, this.#blocks, this.#button] = [scroller, blocks, button];
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    button.addEventListener('click', () => this.follow());
    // Each new line, and each line that is wrapped anew, changes a size. Once per frame is enough.
    const observer = new ResizeObserver(() => this.#follows && this.#scrollToEnd());
    for (const box of [scroller, ...scroller.children]) observer.observe(box);
  }

  /** Adds a line, which is of the moment `at`, in milliseconds since 1970. */
  add(line, at = Date.now()) {
    this.#addDay(new Date(at));
    this.#append(line);
    if (!this.#follows) this.#button.textContent = 'New messages';
  }

  clear() {
    this.#blocks.replaceChildren();
    this.#day = '';
    this.follow();
  }

  /** Scrolls to the end, and stays there. */
  follow() {
    this.#setFollows(true);
    this.#scrollToEnd();
  }

  /** Scrolls by a page. */
  turn(direction) {
    this.#scroller.scrollBy(0, direction * 0.9 * this.#scroller.clientHeight);
  }

  #addDay(date) {
    const day = date.toDateString();
    if (day === this.#day) return;
    this.#day = day;
    this.#append(element('li', { className: 'day' }, dayFormat.format(date)));
  }

  #append(line) {
    const last = this.#blocks.lastElementChild;
    if (last && last.childElementCount < LINES_OF_BLOCK) return last.append(line);
    this.#blocks.append(element('ol', { className: 'lines' }, line));
    if (this.#blocks.childElementCount > MOST_BLOCKS) this.#blocks.firstElementChild.remove();
  }

  /** Only the reader scrolls up, so a move downwards that falls short of new lines changes nothing. */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.#setFollows(true);
    else if (scrollTop < this.#top) this.#setFollows(false);
    this.#top = scrollTop;
  }

  #scrollToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#top = this.#scroller.scrollTop;
  }

  #setFollows(follows) {
    if (follows === this.#follows) return;
    this.#follows = follows;
    this.#scroller.classList.toggle('follows', follows);
    this.#button.textContent = 'To the end';
    this.#button.hidden = follows;
  }
}

/** An input for lines, with those that were typed before: arrow up and down. Escape clears it. */
export class LineInput {
  #field;
  #typed = [];
  #place = 0;
  #draft = '';

  /**
   * @param {HTMLFormElement} form
   * @param {HTMLInputElement} field within it
   * @param {(line: string) => string} send returns what keeps a line from being sent, or an empty text
   */
  constructor(form, field, send) {
    this.#field = field;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit(send);
    });
    field.addEventListener('input', () => showError(field, ''));
    onKey(field, (key) => this.#press(key));
  }

  /** Gives lines back that were typed before. The first one is in the field if nothing else is. */
  restore(lines) {
    const place = this.#typed.length;
    this.#typed.push(...lines);
    this.#place = this.#typed.length;
    if (this.#field.value === '') this.#recall(place);
  }

  #submit(send) {
    const line = this.#field.value;
    if (line.trim() === '') return;
    const trouble = send(line);
    showError(this.#field, trouble);
    if (trouble !== '') return;
    if (line !== this.#typed.at(-1)) this.#typed.push(line);
    this.#typed.splice(0, this.#typed.length - MOST_TYPED);
    this.#place = this.#typed.length;
    this.#field.value = '';
  }

  #press(key) {
    if (key === 'ArrowUp') return this.#recall(this.#place - 1);
    if (key === 'ArrowDown') return this.#recall(this.#place + 1);
    if (key === 'Escape') this.#clear();
    return false;
  }

  /** Shows a typed line, or behind the last one what was typed and not sent. Returns whether there is one. */
  #recall(place) {
    if (place < 0 || place > this.#typed.length) return false;
    if (this.#place === this.#typed.length) this.#draft = this.#field.value;
    this.#place = place;
    this.#field.value = this.#typed[place] ?? this.#draft;
    showError(this.#field, '');
    return true;
  }

  #clear() {
    this.#place = this.#typed.length;
    this.#field.value = '';
    showError(this.#field, '');
  }
}

/**
 * Makes a conversation work with the keyboard alone: the field scrolls the log by page up and down, and Escape leads
 * back to the field from everywhere.
 */
export function connectKeys(field, log) {
  onKey(field, (key) => {
    const direction = { PageUp: -1, PageDown: 1 }[key];
    if (direction) log.turn(direction);
    return direction;
  });
  onKey(document, (key) => {
    if (key === 'Escape') field.focus();
  });
}

/** The title of the page. While the page is not looked at, it begins with the number of messages that arrive. */
export class Title {
  #name;
  #unread = 0;

  constructor(name) {
    this.#name = name;
    addEventListener('focus', () => this.#look());
    document.addEventListener('visibilitychange', () => this.#look());
  }

  set name(name) {
    this.#name = name;
    this.#show();
  }

  /** Counts a message. */
  note() {
    this.#unread += 1;
    this.#look();
  }

  #look() {
    if (!document.hidden && document.hasFocus()) this.#unread = 0;
    this.#show();
  }

  #show() {
    document.title = this.#unread > 0 ? `(${this.#unread}) ${this.#name}` : this.#name;
  }
}
