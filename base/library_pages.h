// Gives back the memory of shared libraries that only the start of a program needs.
//
// While a program starts, the dynamic loader reads the symbols and relocations of every library,
// and each library registers what it has: about 110 MB with LibTorch's, of which there are
// hundreds, and most of it is not read again. These pages are the files' own, unchanged. Given
// back, they stay in the system's cache of files, and those that are used again come from there.
//
// Example:
//   ReleaseLibraryPages();  // in main(), after the start

#ifndef RCNN_BASE_LIBRARY_PAGES_H_
#define RCNN_BASE_LIBRARY_PAGES_H_

namespace rcnn {

// Of all libraries that are loaded, but for those whose code was relocated, which differs from the
// file. Takes about a millisecond. Thread-safe; code that runs meanwhile is read again. Does
// nothing without glibc, and in builds for AddressSanitizer.
void ReleaseLibraryPages();

}  // namespace rcnn

#endif  // RCNN_BASE_LIBRARY_PAGES_H_
