// Package archtest holds the module to its architecture. It has tests only: each package has a
// row in the table of rooms, which says what it may import and why it exists; what the rooms
// that end up in every user's program may link; and that the library is in order on all
// platforms it is for.
package archtest
