// The two functions are found in the library by the names that the C++ compiler
// gives them; the library is the one of the headers' version, so that signatures
// agree. A test calls both.

#include "rcnn/data/image/image_codecs.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rcnn::data {
namespace {

using Imdecode = cv::Mat(const cv::_InputArray&, int);
using Imencode = bool(const std::string&, const cv::_InputArray&, std::vector<unsigned char>&,
                      const std::vector<int>&);

constexpr char kImdecode[] = "_ZN2cv8imdecodeERKNS_11_InputArrayEi";
constexpr char kImencode[] =
    "_ZN2cv8imencodeERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEERKNS_11_InputArrayE"
    "RSt6vectorIhSaIhEERKSB_IiSaIiEE";

// "libopencv_imgcodecs.so.406" for OpenCV 4.6.
std::string LibraryName() {
  return absl::StrFormat("libopencv_imgcodecs.so.%d%02d", CV_VERSION_MAJOR, CV_VERSION_MINOR);
}

[[noreturn]] void Fail() {
  const char* cause = dlerror();
  CV_Error(cv::Error::StsNotImplemented,
           absl::StrCat(LibraryName(), " cannot be used: ", cause == nullptr ? "" : cause));
}

template <typename Function>
Function* Find(const char* symbol) {
  // Never closed: its functions are used until the program ends.
  static void* const library = dlopen(LibraryName().c_str(), RTLD_LAZY | RTLD_LOCAL);
  void* found = library == nullptr ? nullptr : dlsym(library, symbol);
  if (found == nullptr) Fail();
  return reinterpret_cast<Function*>(found);
}

}  // namespace

cv::Mat LoadedImdecode(const cv::Mat& bytes, int flags) {
  static Imdecode* const imdecode = Find<Imdecode>(kImdecode);
  return imdecode(bytes, flags);
}

bool LoadedImencode(const std::string& extension, const cv::Mat& image,
                    std::vector<unsigned char>& bytes, const std::vector<int>& parameters) {
  static Imencode* const imencode = Find<Imencode>(kImencode);
  return imencode(extension, image, bytes, parameters);
}

}  // namespace rcnn::data
