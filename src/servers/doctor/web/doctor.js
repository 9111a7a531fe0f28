// The page of the doctor.

import { converse } from './conversation.js';

converse('Doctor');
