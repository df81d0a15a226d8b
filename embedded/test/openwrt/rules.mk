# What a package's Makefile takes from OpenWrt's rules.mk, as far as ours uses it. The caller sets TARGET_CC, TARGET_AR,
# TARGET_CFLAGS, TARGET_LDFLAGS, DL_DIR, BUILD_DIR, STAGING_DIR and ROOT_DIR.
INCLUDE_DIR:=$(TOPDIR)/include
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
CP:=cp -fpR
TARGET_CONFIGURE_OPTS=CC="$(TARGET_CC)" AR="$(TARGET_AR)"
