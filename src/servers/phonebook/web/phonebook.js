// The page of the phone book: a form composes the commands that can also be typed.

import { converse } from './conversation.js';
import { showError } from './shell.js';

const [nameField, numberField] = [document.getElementById('name'), document.getElementById('number')];

/** The fields that each command needs. */
const needed = {
  FIND: [nameField],
  ADD: [nameField, numberField],
  CHANGE: [nameField, numberField],
  REMOVE: [nameField],
  LIST: [],
};

const say = converse('Phone book', (answer) => {
  if (answer.startsWith('Bad name')) showError(nameField, answer);
  if (answer.startsWith('Bad number')) showError(numberField, answer);
});

function submit(event) {
  event.preventDefault();
  const command = event.submitter.value;
  for (const field of [nameField, numberField]) showError(field, '');
  const empty = needed[command].find((field) => field.value.trim() === '');
  if (empty) {
    showError(empty, 'This is needed.');
    return empty.focus();
  }
  showError(nameField, say(compose(command)));
}

function compose(command) {
  const isList = command === 'LIST' && nameField.value !== '';
  const fields = isList ? [nameField] : needed[command];
  return [command, ...fields.map((field) => quote(field.value))].join(' ');
}

/** Writes a word in the form in which the server takes and shows it. */
function quote(word) {
  return `"${word.replace(/["\\]/g, '\\$&')}"`;
}

document.getElementById('card').addEventListener('submit', submit);
