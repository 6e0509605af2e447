// A library in place of libraries that LibTorch loads and never calls (BUILD has their names).
//
// Debian's LibTorch is linked with OpenCV's modules for windows, cameras and image files and with
// FFmpeg, though it calls none of their functions. They load 200 more libraries, Qt, GStreamer and
// GDAL among them, in half of the time that a program with tensors takes to start, and take some
// 65 MB. rcnn's programs are linked with this library under their names, which the loader then
// has already when LibTorch asks for them. Where a program is copied without it, it loads the real
// ones.
//
// It has the functions for which other libraries ask when they are loaded. Nobody calls them, and a
// call ends the process.

// cv::imread(const std::string&, int), for OpenCV's ximgproc and optflow.
void ReadImage() __asm__("_ZN2cv6imreadERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEi");
void ReadImage() { __builtin_trap(); }
